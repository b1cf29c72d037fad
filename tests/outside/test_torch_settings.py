"""Whatever the process is set to, every environment gives the same numbers through every face."""

import json
import re
from pathlib import Path

import pytest
from fresh_process import run_fresh

SCRIPT = Path(__file__).parent / "scripts" / "digests.py"


@pytest.fixture(scope="module")
def plain():
    played = json.loads(run_fresh(SCRIPT))["under"]
    assert [failed for failed in played.values() if not re.fullmatch("[0-9a-f]{64}", failed)] == []
    return played


@pytest.mark.parametrize("settings", [("dtype", "precision", "others"), ("device", "autocast")], ids="+".join)
def test_numbers_do_not_depend_on_settings_of_the_process(plain, settings):
    """Nor do those that come after it: what is kept, such as sites, has been loaded under the settings."""
    played = json.loads(run_fresh(SCRIPT, *settings))
    assert played["under"] == plain
    assert played["after"] == {name: digest for name, digest in plain.items() if name in played["after"]}
    assert played["after"]
