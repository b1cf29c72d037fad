"""The command: what it prints, whatever brackets the texts hold."""

import errno
import shlex
import shutil

import pytest
from typer.testing import CliRunner

from twin_envs import cli
from twin_envs.base import doctor
from twin_envs.base.errors import SiteError
from twin_envs.csi.training import site_codec
from twin_envs.world.building import builder
from twin_envs.world.store import reading as store
from twin_envs.world.store import writing as store_writer
from twin_envs.world.store.site import load_site
from twin_envs.world.store.writing import add_tensors

CODEC = "codec-csinet.safetensors"


@pytest.fixture
def copy(tmp_path):
    """A copy of the packaged site in a folder of its own."""
    return shutil.copytree(store.PACKAGED_SITES / "munich", tmp_path / "munich")


def printed(*arguments, status=0):
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == status, result.output
    return result.output


def row(output, of):
    return next(line for line in output.splitlines() if of in line)


def test_the_doctor_prints_details_and_remedies_as_they_are(monkeypatch):
    findings = [
        doctor.Finding(name="extra build", ok=False, detail="broken [/x]", remedy="pip install '.[build]'"),
        doctor.Finding(name="cuda", ok=True, detail="a card [bold]"),
    ]
    monkeypatch.setattr(doctor, "diagnose", lambda: findings)
    output = printed("doctor")
    assert "broken [/x]" in row(output, "extra build")
    assert "pip install '.[build]'" in row(output, "extra build")
    assert "a card [bold]" in row(output, "cuda")


def test_an_error_is_one_line_as_it_is(monkeypatch, capsys):
    message = "site '[/x]' [red]: " + "long " * 100 + "end"

    def fail():
        raise SiteError(message)

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert capsys.readouterr().err == f"error: {message}\n"


def test_an_error_of_the_system_is_one_line_with_the_file(monkeypatch, capsys):
    def fail():
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert capsys.readouterr().err == "error: runs/x: No space left on device\n"


def test_a_build_in_a_folder_that_cannot_be_written_says_what_to_set(monkeypatch, capsys):
    monkeypatch.setenv("TWIN_ENVS_HOME", "/proc/nothing")
    monkeypatch.setattr("sys.argv", ["twin-envs", "site", "build", "munich-mild"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: site 'munich-mild': cannot write /proc/nothing")
    assert "set TWIN_ENVS_HOME" in line


def test_a_codec_is_not_trained_for_a_site_that_cannot_be_written(monkeypatch, copy):
    def refuse(**options):
        raise PermissionError(errno.EACCES, "Permission denied", str(copy))

    monkeypatch.setattr(store_writer.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(site_codec, "train_codec", lambda *_, **__: pytest.fail("it was trained"))
    result = CliRunner().invoke(cli.app, ["codec", "train", str(copy)])
    assert isinstance(result.exception, SiteError)
    assert "Permission denied" in str(result.exception)


def test_the_command_that_trains_a_codec_works_whatever_the_path_of_the_site(tmp_path):
    folder = shutil.copytree(store.PACKAGED_SITES / "munich", tmp_path / "my größe")
    output = printed("codec", "train", str(folder), "--steps", "1", "--device", "cpu")
    assert "to go  training" in output
    (folder / CODEC).unlink()
    command = f"twin-envs codec train '{folder}' --seed 0 --steps 1"
    assert command in row(printed("site", "check", str(folder), status=1), CODEC)
    assert shlex.split(command)[3] == str(folder)


def test_a_check_prints_whole_names_where_no_terminal_is(copy):
    name = "a-name-that-is-longer-than-any-terminal-is-wide" * 5
    (copy / name).touch()
    assert f"rm {copy / name}" in row(printed("site", "check", str(copy), status=1), "is not in the manifest")


def test_a_check_says_which_of_two_copies_is_used_and_why(monkeypatch, copy):
    assert "is used" not in printed("site", "check", "munich")
    monkeypatch.setenv("TWIN_ENVS_HOME", str(copy.parent))
    mine = shutil.move(copy, copy.parent / "sites" / "munich")
    output = printed("site", "check", "munich")
    assert output.splitlines()[0] == str(mine)
    assert f"{mine} is used, not {store.PACKAGED_SITES / 'munich'}, for it was built on" in output


def test_a_check_of_an_intact_site_prints_its_figures():
    output = printed("site", "check", "munich-28ghz")
    assert "latency of one link [s]" in output
    assert "gap: gain_mae_db" in output
    assert "train" not in output


def test_a_check_prints_the_command_that_mends_each_file(copy):
    add_tensors(copy, "odd-x.safetensors", {}, command="make 'it[again]'", notes={})
    for file in (CODEC, "odd-x.safetensors", "world-twin.safetensors"):
        (copy / file).unlink()
    (copy / "more[red].txt").touch()
    output = printed("site", "check", str(copy), status=1)
    assert "twin-envs codec train munich --seed 0" in row(output, CODEC)
    assert "make 'it[again]'" in row(output, "odd-x.safetensors")
    assert "twin-envs site build munich --force" in row(output, "world-twin.safetensors")
    assert "is not in the manifest" in row(output, "more[red].txt")
    assert "bytes" in row(output, "world-reality.safetensors")


def test_a_check_without_a_manifest_prints_the_command_that_builds_the_site(copy):
    (copy / "manifest.json").unlink()
    assert "twin-envs site build munich --force" in row(printed("site", "check", str(copy), status=1), "manifest.json")


@pytest.mark.parametrize(
    ("adopted", "said"),
    [("toytown", "networks of the packaged site 'toytown'"), (None, "twin-envs codec train munich")],
)
def test_a_build_says_where_the_codec_is_from_or_how_to_train_one(monkeypatch, copy, adopted, said):
    monkeypatch.setattr(builder, "build", lambda name, root, force, progress: copy)
    monkeypatch.setattr("twin_envs.csi.codecs.site_codec.codec_names", lambda site: [])
    adopt = "twin_envs.csi.training.site_codec.adopt_codec"
    monkeypatch.setattr(adopt, lambda path: adopted if path == copy else "another path")
    output = printed("site", "build", "munich")
    assert str(copy) in output
    assert said in output


def test_a_build_of_a_site_that_has_a_codec_leaves_it_alone(monkeypatch, copy):
    monkeypatch.setattr(builder, "build", lambda name, root, force, progress: copy)
    before = load_site(str(copy)).manifest
    assert "codec" not in printed("site", "build", "munich")
    assert store.read_manifest(copy) == before


def test_an_area_of_one_s_own_is_four_numbers_of_either_sign(monkeypatch, tmp_path):
    asked = {}

    def draft(name, scene, **options):
        asked.update(options, name=name, scene=scene)
        return tmp_path / "mine.toml"

    monkeypatch.setattr("twin_envs.world.building.drafting.draft", draft)
    printed("site", "new", "mine", "--scene", "florence", "--area-m", "-70", "-70", "70.5", "70", "--aps", "2")
    assert asked == {
        "name": "mine",
        "scene": "florence",
        "size_m": 120.0,
        "area_m": (-70.0, -70.0, 70.5, 70.0),
        "num_aps": 2,
    }
