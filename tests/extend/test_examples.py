"""What a user may add: every example of `docs/extend` runs in an empty folder, with the wheel alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "extend" / "examples"
PACKAGED = ("twin_envs", "agents", "benchmarks", "installing", "pyproject.toml", "README.md", "LICENSE")
SMALL = {"num_ue": 2, "episode_slots": 100}
MARK = "== example "
RETURN = re.compile(r": (-?\d+\.\d+) bit/s/Hz")


def run(folder: Path, *arguments: str) -> str:
    """What a command prints that is run in `folder`, beside which twin-envs is installed."""
    others = [path for path in sys.path if not Path(path).resolve().is_relative_to(ROOT) or "site-packages" in path]
    paths = [str(folder), str(folder.parent / "installed"), *others]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but the examples, and beside it what the wheel holds."""
    outside = tmp_path_factory.mktemp("outside")
    made, source = outside / "mine", outside / "source"
    shutil.copytree(EXAMPLES, made, ignore=shutil.ignore_patterns("__pycache__"))
    source.mkdir()
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    wheel = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*wheel, "-w", outside, source], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (file,) = outside.glob("twin_envs-*.whl")
    zipfile.ZipFile(file).extractall(outside / "installed")
    return made


def test_the_examples_run_with_what_the_wheel_holds(folder: Path) -> None:
    modules = "twin_envs, twin_envs.agents.train, twin_envs.benchmarks.decisions"
    told = run(folder, "-c", f"import {modules}; print(twin_envs.__file__, twin_envs.benchmarks.__file__)").split()
    assert all(Path(path).is_relative_to(folder.parent / "installed") for path in told)


def test_making_the_wheel_leaves_nothing_in_the_checkout(folder: Path) -> None:
    """So one that is read-only installs."""
    source = folder.parent / "source"
    assert {path.name for path in source.iterdir()} == set(PACKAGED)
    assert {path.name for path in source.joinpath("twin_envs").iterdir()} == {
        path.name for path in ROOT.joinpath("twin_envs").iterdir() if path.name != "__pycache__"
    }


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """What each example prints; they run one after the other in one process, whose start takes most of the time."""
    program = (
        "import pathlib, runpy\n"
        "for file in sorted(pathlib.Path().glob('*.py')):\n"
        f"    print({MARK!r} + file.stem)\n"
        "    runpy.run_path(str(file), run_name='__main__')"
    )
    parts = run(folder, "-c", program).split(MARK)[1:]
    return dict(part.split("\n", 1) for part in parts)


@pytest.fixture(scope="module")
def returns(printed: dict[str, str]) -> dict[str, list[float]]:
    """The returns that each example prints, one after the other."""
    return {name: [float(number) for number in RETURN.findall(text)] for name, text in printed.items()}


def test_own_environment_earns_more_with_longer_codewords(returns):
    earned = returns["codeword_length"]
    assert len(earned) == 4
    assert earned[0] < earned[-1]


def test_own_core_earns_and_never_loses(returns):
    earned = returns["sleeping"]
    assert len(earned) == 3
    assert min(earned) >= 0
    assert max(earned) > 0


def test_own_core_has_pictures(folder):
    drawn = (
        "import gymnasium\n"
        "env = gymnasium.make('sleeping:mine/Sleep-v0', render_mode='rgb_array', episode_slots=400)\n"
        "env.reset(seed=0)\nbefore = env.render()\nenv.step(1)\nafter = env.render()\n"
        "assert before.shape == after.shape and before.std() > 0 and (before != after).any()"
    )
    run(folder, "-c", drawn)


def test_own_codec_carries_channels(returns):
    csinet, own = returns["strongest_taps"]
    assert own > 0.6 * csinet


def test_own_predictor_tells_an_error(returns):
    held, fading = returns["fading"]
    assert fading > 0
    assert fading != held


def test_own_channel_twin_is_what_the_network_knows(returns):
    assert returns["distance_twin"]
    assert all(earned > 0 for earned in returns["distance_twin"])


def test_own_policy_is_compared_on_the_same_episodes(printed):
    assert RETURN.search(printed["speed_policy"])
    assert "'low'" in printed["speed_policy"]


def test_a_command_finds_a_policy_in_the_folder_where_it_is_run(folder):
    """With `-P` Python does not look there by itself, as it does not for an installed command."""
    arguments = ["evaluate", "--env", "FeedbackInterval", "--policy", "speed_policy:SpeedPolicy", "--episodes", "2"]
    arguments += ["--options", json.dumps(SMALL)]
    started = f"import sys; sys.argv[1:] = {arguments}; from twin_envs.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", started],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "bit/s/Hz" in ended.stdout


def test_own_mobility_makes_csi_age_slower(returns):
    usual, unhurried = returns["unhurried"]
    assert unhurried > usual


def test_more_power_never_carries_less(returns):
    earned = returns["link_budget"]
    assert len(earned) > 1
    assert earned == sorted(earned)


def test_own_scenario_is_played_and_what_is_given_beside_it_wins(printed, returns):
    assert printed["rush_hour"].startswith("Rush hour: many vehicles at once")
    earned = returns["rush_hour"]
    assert len(earned) == 4
    assert earned[0] != earned[1]  # walkers instead of vehicles
    assert earned[2] != earned[3]


def test_own_site_is_found_by_a_function(tmp_path):
    (tmp_path / "places.py").write_text(
        "from twin_envs.world.store.reading import packaged_sites\n"
        "def square():\n    return next(site for site in packaged_sites() if site.name == 'munich')\n"
        "def nowhere():\n    return 'not-there'\n",
        encoding="utf-8",
    )
    tried = (
        "import twin_envs\nprint(twin_envs.load_site('places:square').recipe.name)\n"
        "try:\n twin_envs.load_site('places:nowhere')\nexcept twin_envs.SiteError as e: print(e)"
    )
    found, refused = run(tmp_path, "-c", tried).splitlines()
    assert found == "munich"
    assert "must give the path of a site's folder" in refused


def test_own_policy_and_environment_stand_in_the_table_of_the_benchmark(folder):
    options = '{"num_ue": 2, "episode_slots": 200}'
    common = ["--quick", "--no-studies", "--episodes", "2", "--options", options, "--json", "out.json"]
    printed = run(
        folder, "-m", "twin_envs.cli", "benchmark", "--env", "codeword_length:mine/CodewordLength-v0",
        "--policy", "speed_policy:SpeedPolicy", *common,
    )  # fmt: skip
    assert "SpeedPolicy" in printed
    assert "best-fixed" in printed


def test_own_sensor_makes_positions_better(printed):
    usual, own = (float(found) for found in re.findall(r": (\d+\.\d+) m\n", printed["anchors"]))
    assert own < 0.5 * usual
