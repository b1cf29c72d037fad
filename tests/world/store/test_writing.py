"""Making sites: the work is done once, an interrupted build goes on, and a site appears whole or not at all."""

import errno
import logging
import os
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
import torch
from damage import flip_bit
from full_disk import full_disk

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.world.store import reading as store
from twin_envs.world.store import writing as store_writer

RECIPE = 'name = "toytown"\ncarrier_hz = 3.5e9\n'
VERSIONS = {"tracer": "1.0"}
LOG = logging.getLogger(store_writer.__name__)


def tensors() -> dict[str, torch.Tensor]:
    return {"gain": torch.arange(512.0)}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A folder for the sites of this test."""
    monkeypatch.setenv("TWIN_ENVS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def site(home) -> Path:
    def publish(writer: store_writer.SiteWriter) -> Path:
        return writer.publish({"reality.safetensors": tensors()}, {})

    return store_writer.build_site("toytown", RECIPE, publish, versions=VERSIONS)


class Interrupted(Exception):
    pass


class Builder:
    """Four tiles, one count of work for each; can be interrupted after some of them."""

    def __init__(self, stop_after: int = 4) -> None:
        self.stop_after, self.work = stop_after, []

    def __call__(self, writer: store_writer.SiteWriter) -> Path:
        for tile in range(4):
            if writer.has(f"tile-{tile}"):
                continue
            if len(self.work) == self.stop_after:
                raise Interrupted
            self.work.append(tile)
            writer.put(f"tile-{tile}", {"gain": torch.full((3,), float(tile))}, {"links": tile})
        tiles = [writer.get(f"tile-{tile}") for tile in range(4)]
        gain = torch.stack([found["gain"] for found, _ in tiles])
        return writer.publish({"reality.safetensors": {"gain": gain}}, {"links": [m["links"] for _, m in tiles]})


def build(builder: Builder, recipe: str = RECIPE, **options) -> Path:
    return store_writer.build_site("toytown", recipe, builder, **{"versions": VERSIONS, **options})


def interrupt(after: int) -> None:
    with pytest.raises(Interrupted):
        build(Builder(stop_after=after))


@pytest.mark.parametrize("force", [False, True])
def test_an_interrupted_build_goes_on_where_it_stopped(home, force):
    interrupt(2)
    assert not (home / "sites" / "toytown").exists()
    rest = Builder()
    path = build(rest, force=force)
    assert rest.work == [2, 3]
    assert store.read_manifest(path)["links"] == [0, 1, 2, 3]
    assert store.read_tensors(path, "reality.safetensors")["gain"][:, 0].tolist() == [0, 1, 2, 3]
    assert not (home / "sites" / "toytown.building").exists()


def test_a_damaged_piece_is_built_again(home):
    interrupt(3)
    (piece,) = (home / "sites" / "toytown.building").glob("tile-1.*")
    piece.write_bytes(piece.read_bytes()[:-1])
    rest = Builder()
    build(rest)
    assert rest.work == [1, 3]


def test_a_piece_is_not_there_until_it_is_whole(home, monkeypatch):
    writer = store_writer.SiteWriter(home / "sites" / "toytown", RECIPE, VERSIONS)

    def fail(source, target):
        raise OSError(errno.ENOSPC, "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(SiteError, match=r"toytown\.building/.*: the disk is full; make room there"):
            writer.put("tile-0", tensors())
    assert not writer.has("tile-0")
    assert not list((home / "sites" / "toytown.building").iterdir())
    with pytest.raises(SiteError, match="'tile-0' is not built"):
        writer.get("tile-0")


def test_a_piece_put_twice_is_the_later_one(home):
    writer = store_writer.SiteWriter(home / "sites" / "toytown", RECIPE, VERSIONS)
    for value in (1.0, 2.0):
        writer.put("tile-0", {"gain": torch.tensor([value])})
    assert writer.get("tile-0")[0]["gain"].item() == 2.0
    assert len(list((home / "sites" / "toytown.building").glob("tile-0.*"))) == 1
    assert not writer.has("tile")


@pytest.mark.parametrize("change", [{"recipe": RECIPE + "# moved\n"}, {"versions": {"tracer": "1.1"}}])
def test_pieces_of_another_recipe_or_version_are_not_used(home, change):
    interrupt(2)
    builder = Builder()
    build(builder, **change)
    assert builder.work == [0, 1, 2, 3]


def test_a_site_that_is_there_is_not_built_again(site):
    def refuse(writer):
        raise RuntimeError("nothing to build")

    assert build(refuse) == site
    with pytest.raises(RuntimeError):
        build(refuse, force=True)
    with pytest.raises(RuntimeError):
        build(refuse, recipe=RECIPE + "# moved\n")
    flip_bit(site / "reality.safetensors")
    with pytest.raises(RuntimeError):
        build(refuse)


def test_an_earlier_site_stays_until_the_new_one_is_whole(site):
    old = store.read_tensors(site, "reality.safetensors")["gain"]
    with pytest.raises(Interrupted):
        build(Builder(stop_after=3), force=True)
    assert torch.equal(store.read_tensors(site, "reality.safetensors")["gain"], tensors()["gain"])
    build(Builder(), force=True)
    assert store.read_tensors(site, "reality.safetensors")["gain"].shape == (4, 3)
    assert torch.equal(old, tensors()["gain"])


def test_what_is_not_json_stops_the_build_before_the_site_changes(site):
    for notes in ({"gap": torch.tensor(1.0)}, {"gap": float("nan")}):
        with pytest.raises((TypeError, ValueError)):
            build(lambda writer, notes=notes: writer.publish({}, notes), force=True)
    assert all(check.ok for check in store.verify(site))


@pytest.mark.parametrize("force", [False, True])
def test_two_builders_at_once_do_the_work_once(home, caplog, monkeypatch, force):
    monkeypatch.setattr(LOG, "disabled", False)  # a library that configures logging may have done so
    caplog.set_level("WARNING", logger=LOG.name)
    started, go_on = threading.Event(), threading.Event()
    first, second, paths = Builder(), Builder(), {}

    def slow(writer):
        started.set()
        assert go_on.wait(30)
        return first(writer)

    def run(name, builder):
        paths[name] = build(builder, force=force)

    threads = [
        threading.Thread(target=run, args=("first", slow)),
        threading.Thread(target=run, args=("second", second)),
    ]
    threads[0].start()
    assert started.wait(30)

    class Waiting:
        """Lets the first builder go on once the second has said that it waits."""

        def filter(self, record):
            go_on.set()
            return True

    LOG.addFilter(waiting := Waiting())
    try:
        threads[1].start()
        for thread in threads:
            thread.join(60)
    finally:
        LOG.removeFilter(waiting)
    assert (first.work, second.work) == ([0, 1, 2, 3], [])
    assert paths["first"] == paths["second"] == home / "sites" / "toytown"
    assert "being built by another process" in caplog.text


BUILDER_PROCESS = """
import sys
from pathlib import Path
import torch
from twin_envs.world.store.writing import build_site

def build(writer):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    for tile in range(20):
        writer.put(f"tile-{tile}", {"gain": torch.rand(1000)})
    return writer.publish({"reality.safetensors": writer.get("tile-0")[0]}, {})

print("ready", flush=True)
sys.stdin.readline()
print(build_site("toytown", "recipe", build, versions={}))
"""


def test_two_processes_at_once_do_the_work_once(home):
    log = home / "log"
    environment = {**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[3])}
    command = [sys.executable, "-c", BUILDER_PROCESS, str(log)]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    processes = [subprocess.Popen(command, **options) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said == [str(home / "sites" / "toytown")] * 2
    assert log.read_text() == "built\n"


# Adding to a finished site


def add_codec(site: Path, value: float) -> None:
    store_writer.add_tensors(
        site,
        "codecs/csinet-128.safetensors",
        {"weight": torch.full((4,), value)},
        command="twin-envs codec train toytown",
        notes={"seed": 7, "nmse_db": -12.5},
    )


def test_a_file_can_be_added_and_replaced(site):
    for value in (1.0, 2.0):
        add_codec(site, value)
        read = store.read_tensors(site, "codecs/csinet-128.safetensors")
        assert read["weight"].tolist() == [value] * 4
        assert all(check.ok for check in store.verify(site))
    entry = store.read_manifest(site)["files"]["codecs/csinet-128.safetensors"]
    assert (entry["seed"], entry["nmse_db"]) == (7, -12.5)
    assert torch.equal(store.read_tensors(site, "reality.safetensors")["gain"], tensors()["gain"])


def test_a_damaged_added_file_is_refused_with_its_own_command(site):
    add_codec(site, 1.0)
    flip_bit(site / "codecs/csinet-128.safetensors")
    with pytest.raises(SiteError, match=r"csinet-128.safetensors was changed .*`twin-envs codec train toytown`"):
        store.read_tensors(site, "codecs/csinet-128.safetensors")


def test_nothing_is_added_to_an_edited_site(site):
    (site / "recipe.toml").write_text("")
    with pytest.raises(SiteError, match=r"recipe.toml"):
        add_codec(site, 1.0)


@pytest.mark.parametrize(
    "file", ["../x.safetensors", "/x.safetensors", "weights.pt", "a/b/c.safetensors", "recipe.toml"]
)
def test_a_file_outside_the_layout_is_refused(site, file):
    with pytest.raises(ConfigurationError, match="file of a site"):
        store_writer.add_tensors(site, file, {}, command="", notes={})
    with pytest.raises(ConfigurationError, match="file of a site"):
        build(lambda writer: writer.publish({file: {}}, {}), force=True)


# What the system refuses


def left_in(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "sites").iterdir())


def test_a_refused_build_leaves_nothing_behind(home):
    def refuse(writer):
        assert not writer.has("tile-0")
        raise ConfigurationError("refused")

    with pytest.raises(ConfigurationError):
        build(refuse)
    assert left_in(home) == []


def test_no_lock_stays_behind(home):
    interrupt(2)
    assert left_in(home) == ["toytown.building"]
    add_codec(build(Builder()), 1.0)
    assert left_in(home) == ["toytown"]


@pytest.mark.parametrize("folder", ["/proc/nothing", "file"])
def test_a_folder_that_cannot_be_written_is_named_with_what_to_set(home, monkeypatch, folder):
    (home / "file").touch()
    monkeypatch.setenv("TWIN_ENVS_HOME", str(home / folder))
    with pytest.raises(
        SiteError, match=rf"cannot write .*{folder}.*; set TWIN_ENVS_HOME to a folder that can be written$"
    ):
        build(Builder())


@pytest.mark.parametrize("refusal", [(errno.EROFS, "Read-only file system"), (errno.EACCES, "Permission denied")])
def test_a_read_only_cache_is_said_before_any_work_and_what_is_in_it_still_serves(home, site, monkeypatch, refusal):
    real = os.open

    def read_only(path, flags, *more, **options):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(path).startswith(str(home)):
            raise OSError(*refusal, str(path))
        return real(path, flags, *more, **options)

    builder = Builder()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        with pytest.raises(SiteError, match=f"{refusal[1]}; set TWIN_ENVS_HOME to a folder that can be written$"):
            build(builder, force=True)
        assert store.read_tensors(site, "reality.safetensors")["gain"][3] == 3.0
    assert builder.work == []
    assert left_in(home) == ["toytown"]


def test_a_packaged_site_that_cannot_be_written_is_said_before_the_work(home, site, monkeypatch):
    store_writer.check_writable(site)

    def refuse(**options):
        raise PermissionError(errno.EACCES, "Permission denied", str(site))

    monkeypatch.setattr(store_writer.tempfile, "TemporaryFile", refuse)
    with pytest.raises(SiteError, match="Permission denied; set TWIN_ENVS_HOME"):
        store_writer.check_writable(site)
    monkeypatch.setattr(store_writer, "PACKAGED_SITES", site.parent)
    with pytest.raises(SiteError, match="denied; build a site of your own with `twin-envs site build toytown`"):
        store_writer.check_writable(site)


def test_a_full_disk_stops_a_build_which_goes_on_later(home):
    interrupt(3)
    with full_disk(100), pytest.raises(SiteError, match=r"tile-3\.\w+\.piece: File too large; make room there, or set"):
        build(Builder())
    rest = Builder()
    build(rest)
    assert rest.work == [3]


def test_a_disk_that_is_full_at_the_end_leaves_the_earlier_site_and_the_pieces(home, site):
    interrupt_pieces = {"gain": torch.arange(2.0)}

    def publish(writer):
        writer.put("tile-0", interrupt_pieces)
        return writer.publish({"reality.safetensors": {"gain": torch.rand(2000)}}, {})

    with full_disk(2000), pytest.raises(SiteError, match=r"reality\.safetensors: File too large"):
        build(publish, force=True)
    assert all(check.ok for check in store.verify(site))
    assert {path.suffix for path in (home / "sites" / "toytown.building").iterdir()} == {"", ".piece"}


def test_a_full_disk_at_the_very_start_leaves_nothing(home):
    with full_disk(0), pytest.raises(SiteError, match="File too large"):
        build(Builder())
    assert left_in(home) == []


@pytest.mark.parametrize("manifest_bytes", [0, 100_000])
def test_a_full_disk_leaves_a_site_without_the_file_that_was_to_be_added(site, manifest_bytes):
    add_codec(site, 1.0)
    notes = {"notes": "x" * manifest_bytes}  # the file fits and the manifest does not, or the other way round
    weight = torch.ones(10 if manifest_bytes else 10_000)
    with full_disk(5000), pytest.raises(SiteError, match="File too large"):
        store_writer.add_tensors(site, "codecs/csinet-128.safetensors", {"weight": weight}, command="", notes=notes)
    assert all(check.ok for check in store.verify(site))
    assert store.read_tensors(site, "codecs/csinet-128.safetensors")["weight"].tolist() == [1.0] * 4


def test_a_site_that_cannot_be_put_in_place_leaves_the_earlier_one_there(site, monkeypatch):
    real = Path.rename

    def rename(path, target):
        if path.name == "finished":
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        build(Builder(), force=True)
    assert all(check.ok for check in store.verify(site))


# Clocks that go back


def test_a_later_build_is_the_newer_one_even_if_the_clock_has_gone_back(home, monkeypatch):
    packaged = build(Builder(), root=home / "packaged")
    monkeypatch.setattr(store, "PACKAGED_SITES", packaged.parent)
    past = type("Clock", (datetime,), {"now": lambda zone: datetime(1970, 1, 1, tzinfo=zone)})
    monkeypatch.setattr(store_writer, "datetime", past)
    times = [store.built_utc(packaged)]
    for _ in range(2):
        times.append(store.built_utc(build(Builder(), force=True)))
    assert times == sorted(set(times))
    assert store.find_site("toytown") == home / "sites" / "toytown"
