import numpy as np
import pytest
from gymnasium import spaces

from twin_envs.agents.learning.spaces import describe_space, read_space
from twin_envs.base.errors import ConfigurationError

SPACES = [spaces.Discrete(10), spaces.MultiDiscrete([10, 20, 4]), spaces.Box(-1.0, 3.0, (20,), np.float32)]


@pytest.mark.parametrize("space", SPACES)
def test_space_is_read_as_it_was_described(space):
    assert read_space(describe_space(space)) == space


@pytest.mark.parametrize(
    "space", [spaces.Discrete(4, start=1), spaces.Box(0, np.inf, (3,)), spaces.Box(0, 1, (2, 2)), spaces.MultiBinary(3)]
)
def test_other_spaces_are_refused(space):
    with pytest.raises(ConfigurationError, match="action space must be"):
        describe_space(space)


@pytest.mark.parametrize(
    "description",
    [
        None,
        {},
        {"kind": "Tuple"},
        {"kind": "Discrete"},
        {"kind": "Discrete", "n": 1},
        {"kind": "Discrete", "n": 4, "start": 1},
        {"kind": "MultiDiscrete", "nvec": []},
        {"kind": "MultiDiscrete", "nvec": [2, 0.5]},
        {"kind": "Box", "low": 1.0, "high": 0.0, "size": 2},
        {"kind": "Box", "low": 0.0, "high": float("inf"), "size": 2},
    ],
)
def test_descriptions_of_no_space_are_refused(description):
    with pytest.raises(ConfigurationError, match="action_space"):
        read_space(description)
