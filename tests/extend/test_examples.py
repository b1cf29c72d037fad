"""What a user may add: every example of `docs/extend` runs in an empty folder, and works with everything of ours."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "extend" / "examples"
SMALL = {"num_ue": 2, "episode_slots": 100}
RETURN = re.compile(r": (-?\d+\.\d+) bit/s/Hz")


def run(folder: Path, *arguments: str) -> str:
    """What a command prints that is run in `folder`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing in it but the examples."""
    for file in EXAMPLES.glob("*.py"):
        shutil.copy(file, tmp_path)
    return tmp_path


def returns(folder: Path, example: str) -> list[float]:
    """The returns that an example prints, one after the other."""
    return [float(number) for number in RETURN.findall(run(folder, f"{example}.py"))]


def test_own_environment_earns_more_with_longer_codewords(folder):
    earned = returns(folder, "codeword_length")
    assert len(earned) == 4
    assert earned[0] < earned[-1]


def test_own_core_earns_and_never_loses(folder):
    earned = returns(folder, "sleeping")
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


def test_own_codec_carries_channels(folder):
    csinet, own = returns(folder, "strongest_taps")
    assert own > 0.6 * csinet


def test_own_channel_twin_is_what_the_network_knows(folder):
    assert all(earned > 0 for earned in returns(folder, "distance_twin"))


def test_own_policy_is_compared_on_the_same_episodes(folder):
    printed = run(folder, "speed_policy.py")
    assert RETURN.search(printed)
    assert "'low'" in printed


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


def test_own_mobility_makes_csi_age_slower(folder):
    usual, unhurried = returns(folder, "unhurried")
    assert unhurried > usual


def test_more_power_never_carries_less(folder):
    earned = returns(folder, "link_budget")
    assert earned == sorted(earned)


def test_own_site_is_found_by_a_function(folder):
    (folder / "places.py").write_text(
        "from twin_envs.world.store.reading import packaged_sites\n"
        "def square():\n    return next(site for site in packaged_sites() if site.name == 'munich')\n"
        "def nowhere():\n    return 'not-there'\n",
        encoding="utf-8",
    )
    tried = "import twin_envs; print(twin_envs.load_site('places:square').recipe.name)"
    assert run(folder, "-c", tried).split() == ["munich"]
    refused = (
        "import twin_envs\ntry:\n twin_envs.load_site('places:nowhere')\nexcept twin_envs.SiteError as e: print(e)"
    )
    assert "must give the path of a site's folder" in run(folder, "-c", refused)


def test_own_policy_and_environment_stand_in_the_table_of_the_benchmark(folder):
    options = '{"num_ue": 2, "episode_slots": 200}'
    common = ["--quick", "--no-studies", "--episodes", "2", "--options", options, "--json", "out.json"]
    printed = run(
        folder, "-m", "twin_envs.cli", "benchmark", "--env", "codeword_length:mine/CodewordLength-v0",
        "--policy", "speed_policy:SpeedPolicy", *common,
    )  # fmt: skip
    assert "SpeedPolicy" in printed
    assert "best-fixed" in printed
