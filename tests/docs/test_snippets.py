"""The Python of the README and the documentation runs, page by page, from an empty folder.

The blocks of a page are one script. A block with a title, and a file that the page asks for, is a file beside it, too.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^<!-- file: (.+) -->$", re.MULTILINE)
SMALLER = {
    "250_000": "1_000",
    "seeds=32": "seeds=2, options={'episode_slots': 400}",
    "seeds=16": "seeds=2, options={'episode_slots': 400}",
    "num_envs=64": "num_envs=8",
    "batch_size=1024": "batch_size=256",
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
