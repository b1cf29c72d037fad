"""Sites on disk: what is written is read back, and nothing else is."""

import hashlib
import json
import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest
import torch
from damage import flip_bit

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.world.store import reading as store
from twin_envs.world.store import writing as store_writer

RECIPE = 'name = "toytown"\ncarrier_hz = 3.5e9\n'
VERSIONS = {"tracer": "1.0"}


def rebuild(site: Path) -> str:
    """The command that builds a site of nobody's name again, from its own recipe and in its own place."""
    return f"twin-envs site build {site / 'recipe.toml'} --out {site.parent} --force"


def tensors() -> dict[str, torch.Tensor]:
    count = torch.arange(512)
    return {"gain": torch.polar(1.0 + count, 0.1 * count), "kind": count.to(torch.int16), "served": count % 3 == 0}


def publish(writer: store_writer.SiteWriter) -> Path:
    return writer.publish(
        {"reality.safetensors": tensors(), "rasters/height.safetensors": {"height_m": torch.rand(8, 8)}},
        {"source": "drawn by hand", "gap": {"gain_mae_db": 5.25}},
    )


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A folder for the sites of this test, and no packaged ones."""
    monkeypatch.setenv("TWIN_ENVS_HOME", str(tmp_path))
    monkeypatch.setattr(store, "PACKAGED_SITES", tmp_path / "packaged")
    return tmp_path


@pytest.fixture
def site(home) -> Path:
    return store_writer.build_site("toytown", RECIPE, publish, versions=VERSIONS)


def assert_refused(site: Path, file: str, act) -> None:
    with pytest.raises(SiteError) as error:
        act()
    assert str(site / file) in str(error.value)
    assert rebuild(site) in str(error.value)
    bad = {check.file: check.remedy for check in store.verify(site) if not check.ok}
    assert bad == {file: rebuild(site)}


# Reading what was written


def test_a_site_is_read_back_bit_for_bit(site, home):
    assert store.find_site("toytown") == site == home / "sites" / "toytown"
    assert store.available_sites() == ["toytown"]
    assert store.read_recipe(site) == RECIPE
    read = store.read_tensors(site, "reality.safetensors")
    assert read.keys() == tensors().keys()
    for key, value in tensors().items():
        assert read[key].dtype == value.dtype
        assert torch.equal(read[key], value)
    manifest = store.read_manifest(site)
    assert manifest["gap"] == {"gain_mae_db": 5.25}
    assert manifest["versions"] == VERSIONS
    assert all(check.ok for check in store.verify(site))
    assert {check.file for check in store.verify(site)} == {
        "manifest.json", "recipe.toml", "reality.safetensors", "rasters/height.safetensors",
    }  # fmt: skip


def test_writing_to_a_tensor_leaves_the_file_alone(site):
    store.read_tensors(site, "reality.safetensors")["kind"].fill_(-1)
    assert torch.equal(store.read_tensors(site, "reality.safetensors")["kind"], tensors()["kind"])
    assert all(check.ok for check in store.verify(site))


def test_a_file_is_hashed_once_and_again_after_a_change(site, monkeypatch):
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda stream, name: hashed.append(Path(stream.name).name) or digest(stream, name)
    )
    for _ in range(3):
        store.read_tensors(site, "reality.safetensors")
    assert hashed.count("reality.safetensors") == 1
    path = site / "reality.safetensors"
    flip_bit(path)
    os.utime(path, ns=(0, 0))
    assert_refused(site, "reality.safetensors", lambda: store.read_tensors(site, "reality.safetensors"))


def test_views_of_one_storage_and_strided_tensors_can_be_stored(home):
    base = torch.arange(12.0).view(3, 4)
    path = store_writer.build_site(
        "views",
        "",
        lambda writer: writer.publish({"views.safetensors": {"rows": base[1:], "transposed": base.T}}, {}),
        versions={},
    )
    read = store.read_tensors(path, "views.safetensors")
    assert torch.equal(read["rows"], base[1:])
    assert torch.equal(read["transposed"], base.T)


def test_numbers_of_the_manifest_survive_whatever_their_keys(home):
    about = {"gap": {10: 0.1, 9: 1e-300}, "size_m": (150, 160)}
    path = store_writer.build_site("numbers", "", lambda writer: writer.publish({}, about), versions={})
    manifest = store.read_manifest(path)
    assert manifest["gap"] == {"10": 0.1, "9": 1e-300}
    assert manifest["size_m"] == [150, 160]


def test_nothing_is_pickled(site, home):
    interrupted = store_writer.SiteWriter(home / "sites" / "other", RECIPE, VERSIONS)
    interrupted.put("tile-0", tensors())
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {path.suffix for path in files} == {".toml", ".json", ".safetensors", ".piece", ""}
    for path in files:
        data = path.read_bytes()
        assert not data.startswith((b"\x80", b"PK")), path
        if path.suffix in (".safetensors", ".piece"):
            assert data[8:9] == b"{", path


# Refusing what is damaged


@pytest.mark.parametrize("file", ["reality.safetensors", "rasters/height.safetensors"])
def test_a_truncated_file_is_refused(site, file):
    data = (site / file).read_bytes()
    (site / file).write_bytes(data[:-5])
    assert_refused(site, file, lambda: store.read_tensors(site, file))


def test_one_flipped_bit_in_the_middle_of_a_tensor_is_refused(site):
    path = site / "reality.safetensors"
    flip_bit(path)
    assert_refused(site, path.name, lambda: store.read_tensors(site, path.name))


def test_a_missing_file_is_refused(site):
    (site / "reality.safetensors").unlink()
    assert_refused(site, "reality.safetensors", lambda: store.read_tensors(site, "reality.safetensors"))


def test_an_edited_recipe_is_refused_by_every_read(site):
    (site / "recipe.toml").write_text(RECIPE.replace("3.5e9", "3.6e9"))
    for act in (store.read_recipe, store.read_manifest, lambda s: store.read_tensors(s, "reality.safetensors")):
        assert_refused(site, "recipe.toml", lambda act=act: act(site))


def edit_gap(text: str) -> str:
    return text.replace("5.25", "0.25")


def truncate(text: str) -> str:
    return text[: len(text) // 2]


def drop_digest(text: str) -> str:
    return json.dumps({key: value for key, value in json.loads(text).items() if key != "digest"})


@pytest.mark.parametrize("damage", [edit_gap, truncate, drop_digest, lambda text: "[]", lambda text: ""])
def test_an_edited_or_damaged_manifest_is_refused(site, damage):
    path = site / "manifest.json"
    path.write_text(damage(path.read_text()))
    assert_refused(site, "manifest.json", lambda: store.read_tensors(site, "reality.safetensors"))


def test_a_manifest_that_is_not_text_or_not_there_is_refused(site):
    (site / "manifest.json").write_bytes(b"\xff\xfe\x00")
    assert_refused(site, "manifest.json", lambda: store.read_recipe(site))
    (site / "manifest.json").unlink()
    assert_refused(site, "manifest.json", lambda: store.read_recipe(site))


def test_a_manifest_only_laid_out_otherwise_is_accepted(site):
    path = site / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert store.read_recipe(site) == RECIPE


def test_a_site_of_another_format_is_refused(site, monkeypatch):
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    assert_refused(site, "manifest.json", lambda: store.read_manifest(site))


def test_an_extra_file_is_reported_and_not_read(site):
    shutil.copy(site / "reality.safetensors", site / "twin.safetensors")
    bad = [(check.file, check.remedy) for check in store.verify(site) if not check.ok]
    assert bad == [("twin.safetensors", f"rm {site / 'twin.safetensors'}")]
    with pytest.raises(SiteError, match=r"no file 'twin.safetensors'"):
        store.read_tensors(site, "twin.safetensors")


def test_an_unknown_file_is_refused_with_the_nearest_name(site):
    with pytest.raises(SiteError, match=r"no file 'realty.safetensors'; did you mean 'reality.safetensors'"):
        store.read_tensors(site, "realty.safetensors")


# Finding


def test_an_unknown_site_is_named_with_the_nearest_one_and_the_command(site):
    with pytest.raises(SiteError, match=r"'toytwon'; did you mean 'toytown'.*`twin-envs site build toytown`"):
        store.find_site("toytwon")
    with pytest.raises(SiteError, match=r"'xyzzy' \(sites: canyon, toytown\).*`twin-envs site build NAME`"):
        store.find_site("xyzzy", recipes=["canyon"])


def test_a_site_that_is_only_a_recipe_is_said_to_be_not_built(home):
    with pytest.raises(SiteError, match=r"'canyon' is not built yet.*`twin-envs site build canyon`"):
        store.find_site("canyon", recipes=["canyon"])


def test_a_site_built_here_comes_before_the_packaged_one(home, monkeypatch):
    packaged = store_writer.build_site("toytown", RECIPE, publish, versions=VERSIONS, root=home / "packaged")
    assert store.find_site("toytown") == packaged
    (packaged / "reality.safetensors").unlink()
    rebuilt = store_writer.build_site("toytown", RECIPE, publish, versions=VERSIONS, force=True)
    assert store.find_site("toytown") == rebuilt != packaged
    assert torch.equal(store.read_tensors(rebuilt, "reality.safetensors")["kind"], tensors()["kind"])


@pytest.fixture
def two(home, monkeypatch):
    """Builds one copy in the package and one of the user's, each on its day and with its version of the builder."""

    def build(packaged, users):
        for root, (built, builder) in ((home / "packaged", packaged), (home / "sites", users)):
            today = type("Clock", (datetime,), {"now": lambda zone, built=built: datetime.fromisoformat(built)})
            monkeypatch.setattr(store_writer, "datetime", today)
            monkeypatch.setattr(
                store_writer, "copies", lambda name: []
            )  # built on machines that know nothing of another
            store_writer.build_site("toytown", RECIPE, publish, versions={"builder": builder}, root=root)
        return home / "packaged" / "toytown", home / "sites" / "toytown"

    return build


SPRING, SUMMER = "2025-03-01T12:00:00+00:00", "2025-07-01T12:00:00+00:00"
IN_SUMMER = "it was built on 2025-07-01 12:00 UTC, the other on 2025-03-01 12:00 UTC"


@pytest.mark.parametrize(
    ("packaged", "users", "of_the_user", "why"),
    [
        ((SPRING, "3"), (SUMMER, "3"), True, IN_SUMMER),
        (
            (SUMMER, "3"),
            (SPRING, "3"),
            False,
            IN_SUMMER,
        ),
        ((SPRING, "10"), (SUMMER, "9"), False, "it is of version 10 of the builder, the other of version 9"),
        ((SUMMER, "3"), (SPRING, "4"), True, "it is of version 4 of the builder, the other of version 3"),
        ((SPRING, "3"), (SPRING, "3"), True, "it was built on 2025-03-01 12:00 UTC"),
    ],
)
def test_of_two_copies_the_newer_is_used_with_a_note(two, packaged, users, of_the_user, why):
    shipped, mine = two(packaged, users)
    used, other = (mine, shipped) if of_the_user else (shipped, mine)
    assert store.find_site("toytown") == used
    assert store.copies("toytown") == [used, other]
    note = store.note_on_copies("toytown")
    assert f"{used} is used, not {other}" in note
    assert why in note


def test_a_copy_of_a_format_that_is_not_read_is_not_used(two, monkeypatch):
    shipped, mine = two((SUMMER, "3"), (SPRING, "3"))
    monkeypatch.setattr(store_writer, "FORMAT", store.FORMAT + 1)
    store_writer.build_site("toytown", RECIPE, publish, versions={"builder": "3"}, root=shipped.parent, force=True)
    assert store.find_site("toytown") == mine
    assert "cannot read the other" in store.note_on_copies("toytown")


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_damaged_copy_of_the_user_is_refused_and_a_damaged_packaged_one_is_mended_by_a_build(two, damaged):
    shipped, mine = two((SUMMER, "3"), (SPRING, "3"))
    truncated = (shipped, mine)[damaged] / "manifest.json"
    truncated.write_bytes(truncated.read_bytes()[:-9])
    assert store.find_site("toytown") == mine
    assert "damaged" in store.note_on_copies("toytown")


def test_what_is_there_once_needs_no_note(site):
    assert store.copies("toytown") == [site]
    assert store.note_on_copies("toytown") == store.note_on_copies("nowhere") == store.note_on_copies(str(site)) == ""


def test_a_site_can_be_named_by_its_folder(home):
    path = store_writer.build_site("elsewhere", RECIPE, publish, versions=VERSIONS, root=home / "project")
    assert store.find_site(str(path)) == path
    assert "elsewhere" not in store.available_sites()
    with pytest.raises(SiteError, match=r"no site folder '.*nowhere'$"):
        store.find_site(str(home / "nowhere"))


def test_a_folder_that_is_not_there_is_named_with_the_nearest_site(site, home):
    with pytest.raises(SiteError, match=r"no site folder '.*toytwon'; did you mean 'toytown'\?"):
        store.find_site(str(home / "toytwon"))
    with pytest.raises(SiteError, match=r"no site folder '.*canyons'; did you mean 'canyon'\?"):
        store.find_site(str(home / "canyons"), recipes=["canyon"])


def test_a_damaged_file_of_its_own_command_is_mended_by_that(site):
    store_writer.add_tensors(site, "codec.safetensors", tensors(), command="train anew", notes={})
    assert all(check.remedy == "" for check in store.verify(site))
    (site / "codec.safetensors").unlink()
    (site / "reality.safetensors").unlink()
    remedies = {check.file: check.remedy for check in store.verify(site) if not check.ok}
    assert remedies == {"codec.safetensors": "train anew", "reality.safetensors": rebuild(site)}


def test_without_the_variable_sites_live_in_the_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("TWIN_ENVS_HOME")
    assert store.user_sites().parts[-2:] == ("twin-envs", "sites")


def no_home(path):
    raise RuntimeError("could not determine the home directory")


@pytest.mark.parametrize("home_variable", [None, "~/sites"])
def test_a_user_without_a_home_has_the_packaged_sites_and_is_told_what_to_set(home, monkeypatch, home_variable):
    packaged = store_writer.build_site("toytown", RECIPE, publish, versions=VERSIONS, root=home / "packaged")
    if home_variable:
        monkeypatch.setenv("TWIN_ENVS_HOME", home_variable)
    else:
        monkeypatch.delenv("TWIN_ENVS_HOME")
    monkeypatch.setattr(store.platformdirs, "user_cache_path", no_home)
    monkeypatch.setattr(Path, "expanduser", no_home)
    assert store.available_sites() == ["toytown"]
    assert store.find_site("toytown") == store.find_site(str(packaged)) == packaged
    with pytest.raises(SiteError, match="'canyon' is not built yet"):
        store.find_site("canyon", recipes=["canyon"])
    with pytest.raises(SiteError, match="no site folder '~/nowhere'"):
        store.find_site("~/nowhere")
    for act in (store.user_sites, lambda: store_writer.build_site("canyon", RECIPE, publish, versions=VERSIONS)):
        with pytest.raises(SiteError, match=r"no home folder.*set TWIN_ENVS_HOME"):
            act()


def test_a_home_that_may_not_be_looked_into_holds_no_sites(home, monkeypatch):
    packaged = store_writer.build_site("toytown", RECIPE, publish, versions=VERSIONS, root=home / "packaged")
    real = os.stat

    def stat(path, *arguments, **options):
        if "sites" in Path(path).parts:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert store.find_site("toytown") == packaged
    assert store.available_sites() == ["toytown"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "-x", "a.building"])
def test_a_name_that_cannot_be_a_folder_is_refused(home, name):
    with pytest.raises(ConfigurationError, match="name of a site"):
        store_writer.build_site(name, RECIPE, publish, versions=VERSIONS)
    with pytest.raises(SiteError):
        store.find_site(name)
