import dataclasses
import sys

import gymnasium
import pytest
from ids import ENVIRONMENTS

from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.documentation import document, option_table
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.documentation import CSI_SECTIONS
from twin_envs.envs.csi_cell.feedback_interval import FeedbackInterval
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT

documented = pytest.mark.skipif(sys.flags.optimize >= 2, reason="python -OO has no docstrings")


def test_every_option_is_told_with_its_default_and_its_meaning():
    table = option_table(CellConfig)
    assert "| `csi_uplink_share` | `0.02` | share of the uplink's resource blocks that is for CSI" in table
    assert "share a tenth of the uplink. |" in table  # the whole of it, over several lines
    assert len(table.splitlines()) == 2 + len(dataclasses.fields(CellConfig))


def test_an_option_without_a_default_has_an_empty_place():
    rows = option_table(EnvironmentConfig).splitlines()
    assert [row for row in rows if "MISSING" in row] == []
    assert any(row.startswith("| `num_ue` |  | UEs, 1 to 16") for row in rows)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_docstring_tells_in_gymnasiums_order_what_users_look_for(name):
    env = gymnasium.make(f"twin_envs/{name}-v1").unwrapped
    parts = ["Description", "Action Space", "Observation Space", "Rewards", "Starting State", "Episode End"]
    parts += ["Information", "Arguments", "Training", "Version History"]
    text = type(env).__doc__
    places = [text.find(f"## {part}\n") for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    for field in env.observation_layout.fields:
        assert f"| {field.name} | {field.unit} |" in text
    for option in dataclasses.fields(env.core.config):
        assert f"| `{option.name}` | `{option.default!r}` |" in text
    for fact in ("by_ue", "ue", *env.task.terms):
        assert f"`{fact}`" in text.partition("## Information\n")[2].partition("\n## ")[0]
    assert "{" not in text.replace("{4, 5", "").replace("{1", "").replace("{35", "").replace("{0", "")


@documented
def test_a_section_that_is_left_out_is_the_familys_and_one_that_is_there_may_add_to_it():
    class Env:
        """Which?

        ## Description

        A {what}.

        ## Rewards

        {usual} And no more.

        ## Action Space

        `Discrete(2)`
        """

        task_type = FeedbackInterval

    document(Env, CSI_LAYOUT, CSI_SECTIONS, what="cell")
    assert Env.__doc__.startswith("Which?\n\n## Description\n\nA cell.\n\n## Action Space\n\n`Discrete(2)`\n\n## Obs")
    assert f"## Rewards\n\n{CSI_SECTIONS['Rewards']} And no more.\n\n## Starting State\n" in Env.__doc__
    assert Env.__doc__.endswith(f"## Version History\n\n{CSI_SECTIONS['Version History']}\n")


@documented
@pytest.mark.parametrize(
    "text", ["Which?\n\n## Description\n\nA cell.", "Which?\n\n## Description\n\n## Action Space\n\n## Colour\n\nRed."]
)
def test_a_section_that_is_missing_or_unknown_is_refused(text):
    env = type("Env", (), {"__doc__": text, "task_type": FeedbackInterval})
    with pytest.raises(ValueError, match="docstring of Env must have the sections"):
        document(env, CSI_LAYOUT, CSI_SECTIONS)


def test_without_docstrings_there_is_nothing_to_complete():
    env = type("Env", (), {"__doc__": None, "task_type": FeedbackInterval})
    document(env, CSI_LAYOUT, CSI_SECTIONS)
    assert env.__doc__ is None
