"""The Python of the README and the docs runs, page by page, from an empty folder; so do commands marked `shell`.

The blocks of a page are one script. A block with a title, and a file that the page asks for, is a file beside it, too.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_envs import cli
from twin_envs.world.store.reading import verify

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^<!-- file: (.+) -->$", re.MULTILINE)
SMALLER = {
    "250_000": "100",
    "n_steps=64": "n_steps=16",
    "seeds=32": "seeds=2, options={'episode_slots': 200, 'num_ue': 3}",
    "seeds=16": "seeds=2, options={'episode_slots': 200, 'num_ue': 3}",
    "num_envs=64": "num_envs=8",
    "batch_size=1024": "batch_size=128",
    "num_ue=6)": "num_ue=6, episode_slots=400)",
}
"""What is replaced so that a page takes seconds."""
MARKS = {"docs/tutorials/own-site.md": [pytest.mark.rt, pytest.mark.slow]}


def blocks(page):
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


FOUND = [path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
PAGES = [page for page in FOUND if any(language == "python" for language, _, _ in blocks(page))]


@pytest.mark.parametrize("page", [pytest.param(page, marks=MARKS.get(page, [])) for page in PAGES])
def test_the_python_of_a_page_runs(page, tmp_path):
    script = []
    for asked in FILE.findall((ROOT / page).read_text(encoding="utf-8")):
        shutil.copy((ROOT / page).parent / asked, tmp_path)
    for language, title, code in blocks(page):
        if title:
            (tmp_path / title).write_text(code, encoding="utf-8")
        if language == "python":
            script.append(code)
    text = "\n".join(script)
    for long, short in SMALLER.items():
        text = text.replace(long, short)
    (tmp_path / "page.py").write_text(text, encoding="utf-8")
    run = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_pages_that_must_have_python_have_some():
    assert {
        "README.md",
        *(f"docs/tutorials/{name}.md" for name in ("first-step", "train", "own-site", "own-decision")),
    } <= {*PAGES}
    assert set(MARKS) <= set(PAGES)


# Commands

OWN_SITE = "docs/tutorials/own-site.md"
SMALLER_PLACE = {
    "--size-m 60": "--size-m 40 --aps 2",
    '"num_ue": 4}': '"num_ue": 2, "episode_slots": 400}',
    "--steps 20000 --num-envs 32": "--steps 128 --num-envs 8 --hyperparameters '{\"rollout_steps\": 16}'",
}
"""What is replaced so that the page takes a minute."""


def commands(page):
    return [line for language, _, code in blocks(page) if language == "shell" for line in code.splitlines()]


def test_the_readme_and_the_tutorial_have_the_same_commands():
    assert commands("README.md") == commands(OWN_SITE)
    assert all(any(long in line for line in commands(OWN_SITE)) for long in SMALLER_PLACE)


@pytest.mark.rt
def test_the_tutorial_leads_from_a_scene_to_a_benchmarked_agent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in commands(OWN_SITE):
        for long, short in SMALLER_PLACE.items():
            line = line.replace(long, short)
        program, *arguments = shlex.split(line)
        assert program == "twin-envs"
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, (line, result.output, result.exception)
    assert (tmp_path / "mine.png").stat().st_size > 10_000
    assert "<title>mine</title>" in (tmp_path / "mine.html").read_text()
    site = tmp_path / "sites" / "mine"
    assert all(check.ok for check in verify(site))
    compared = json.loads((tmp_path / "runs" / "decisions-ApSelection.json").read_text())
    policies = compared["figures"]["ApSelection"]["policies"]
    assert {"random", "best-fixed", "twin-planner", "oracle", "ppo"} <= policies.keys()
    assert policies["oracle"]["mean"] > policies["random"]["mean"]
