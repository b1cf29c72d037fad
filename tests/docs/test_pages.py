"""The README and the documentation: how long, whether links lead somewhere, whether every environment has its page."""

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

import twin_envs  # noqa: F401
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.prediction.registry import predictors
from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.scenario import scenario_names
from twin_envs.envs.csi_cell.configuration import ESTIMATORS
from twin_envs.twin.registry import channel_twins

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(
    r"""<(?:script|img|link|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|@import"""
)
CHOICES = {
    "channel_twin": channel_twins.names(),
    "codec": codecs.names(),
    "estimator": ESTIMATORS,
    "prediction": predictors.names(),
    "scenario": scenario_names(),
}
"""What options may be that have a name for each choice."""
IDS = [env_id for env_id in gymnasium.registry if env_id.startswith("twin_envs/")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The documentation, built with warnings as errors: that in TWIN_ENVS_DOCS where `make docs` has just built it."""
    if ready := os.environ.get("TWIN_ENVS_DOCS"):
        return ROOT / ready
    folder = tmp_path_factory.mktemp("docs")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("env_id", IDS)
def test_every_environment_has_a_page_with_its_docstring(built, env_id):
    name = env_id.partition("/")[2].rpartition("-v")[0]
    page = (built / "environments" / f"{name}.html").read_text(encoding="utf-8")
    assert env_id in page
    assert all(f'id="{section}"' in page for section in ("action-space", "observation-space", "rewards", "arguments"))
    assert "{observation}" not in page
    assert f"{name}.html" in (built / "index.html").read_text(encoding="utf-8")  # in the navigation


def test_the_list_of_environments_has_the_options_that_all_take(built):
    page = (built / "environments" / "index.html").read_text(encoding="utf-8")
    missing = [f.name for f in dataclasses.fields(EnvironmentConfig) if f"<code>{f.name}</code>" not in page]
    assert missing == []


@pytest.mark.parametrize(
    "result", sorted(path.stem for path in (ROOT / "benchmarks" / "results").glob("decisions-*.json"))
)
def test_every_result_has_a_page_that_says_if_it_was_quick(built, result):
    page = (built / "results" / f"{result.removeprefix('decisions-')}.html").read_text(encoding="utf-8")
    assert f"benchmarks/results/{result}.json" in page
    document = json.loads((ROOT / "benchmarks" / "results" / f"{result}.json").read_text(encoding="utf-8"))
    assert ("Quick comparisons" in page) == document["provenance"]["arguments"]["quick"]


def test_no_page_loads_anything_from_the_network(built):
    files = [*built.rglob("*.html"), *built.rglob("*.css")]
    assert files
    assert [path for path in files if LOADED.search(path.read_text(encoding="utf-8"))] == []


def test_the_build_s_own_files_are_no_pages(built):
    assert {path.parent.name for path in built.rglob("*.py")} == {"examples"}
    assert not (built / "results" / "notes").exists()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_of_the_checkout(page):
    """So they lead somewhere on GitHub, too, which has no generated pages."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_choices_that_are_told_exist(page):
    """Those of one's own, `module:object`, are made by examples."""
    told = re.findall(r'(\w+)="([\w-]+)"', page.read_text(encoding="utf-8"))
    assert [(option, name) for option, name in told if name not in CHOICES.get(option, (name,))] == []


def test_the_table_of_the_readme_is_that_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert make.with_table(text) == text
    assert make.with_table(text.replace("2.73", "3.73")) == text
