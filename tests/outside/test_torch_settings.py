"""Whatever the process is set to, every environment gives the same numbers through every face."""

import json
from pathlib import Path

import pytest
from fresh_process import run_fresh

SCRIPT = Path(__file__).parent / "scripts" / "digests.py"


@pytest.fixture(scope="module")
def plain():
    return json.loads(run_fresh(SCRIPT, "none"))["under"]


@pytest.mark.parametrize("setting", ["dtype", "device", "autocast", "precision", "others"])
def test_numbers_do_not_depend_on_settings_of_the_process(plain, setting):
    """Nor do those that come after it: what is kept, such as sites, has been loaded under the setting."""
    played = json.loads(run_fresh(SCRIPT, setting))
    assert played["under"] == plain
    assert played["after"] == {name: digest for name, digest in plain.items() if name in played["after"]}
    assert played["after"]
