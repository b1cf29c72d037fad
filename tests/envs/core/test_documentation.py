import dataclasses

import gymnasium
import pytest
from ids import ENVIRONMENTS

from twin_envs.envs.core.documentation import option_table
from twin_envs.envs.csi_cell.configuration import CellConfig


def test_every_option_is_told_with_its_default_and_its_meaning():
    table = option_table(CellConfig)
    assert "| `csi_uplink_share` | `0.02` | share of the uplink's resource blocks that is for CSI" in table
    assert "on PUSCH beside the data. |" in table  # the whole of it, over several lines
    assert len(table.splitlines()) == 2 + len(dataclasses.fields(CellConfig))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_docstring_tells_in_gymnasiums_order_what_users_look_for(name):
    env = gymnasium.make(f"twin_envs/{name}-v0").unwrapped
    parts = ["Description", "Action Space", "Observation Space", "Rewards", "Starting State", "Episode End"]
    parts += ["Information", "Arguments", "Version History"]
    text = type(env).__doc__
    places = [text.find(f"## {part}\n") for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    for field in env.observation_layout.fields:
        assert f"| {field.name} | {field.unit} |" in text
    for option in dataclasses.fields(env.core.config):
        assert f"| `{option.name}` | `{option.default!r}` |" in text
