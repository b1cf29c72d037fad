"""Clients: what `works_with/run.py` has tried is what the documentation says, and goes on working."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from fresh_process import run_fresh

FOLDER = Path(__file__).parent / "works_with"
PAGE = Path(__file__).parents[2] / "docs" / "guides" / "works-with.md"
TRIED = json.loads((FOLDER / "tried.json").read_text())
NAMES = sorted(path.stem.removeprefix("try_") for path in FOLDER.glob("try_*.py"))
HERE = {
    "gymnasium": ["gymnasium"],
    "stable_baselines3": ["stable_baselines3"],
    "sb3_contrib": ["sb3_contrib"],
    "pettingzoo": ["pettingzoo"],
    "supersuit": ["supersuit", "pettingzoo", "stable_baselines3"],
    "torchrl": ["torchrl", "pettingzoo"],
}
"""Clients of the test environment and the modules that their scripts import; others need one of their own."""


def rows():
    """Cells of the page's table by the client of each row."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row for row in cells}


def test_every_script_has_been_tried():
    assert sorted(TRIED) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_was_tried(name):
    tried = TRIED[name]
    row = rows()[tried["client"]]
    assert row[1] == (tried["version"] or "-")
    assert row[2] == tried["outcome"]
    assert f"works_with/try_{name}.py" in PAGE.read_text()


@pytest.mark.parametrize("name", HERE)
def test_a_client_of_the_test_environment_works(name, monkeypatch, tmp_path):
    for module in HERE[name]:
        if find_spec(module) is None:
            pytest.skip(f"needs {module}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    said = run_fresh(FOLDER / f"try_{name}.py").splitlines()[-1]
    assert said.startswith(TRIED[name]["client"])
