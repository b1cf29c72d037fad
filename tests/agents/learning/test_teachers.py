"""Whom a learner may imitate."""

import pytest

from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.association.rules import NearestAps
from twin_envs.agents.association.twin import TwinPlanner
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.learning.teachers import find_teacher
from twin_envs.base.errors import ConfigurationError


@pytest.fixture(scope="module")
def envs():
    return make_envs("ApSelection", 1, world="twin")


@pytest.mark.parametrize(
    ("asked", "name", "kind"),
    [
        ("", "twin-planner: margin 0.01, gap 6 dB", TwinPlanner),
        ("twin-planner", "twin-planner: margin 0.01, gap 6 dB", TwinPlanner),
        ("twin-planner: margin 0, gap 9 dB", "twin-planner: margin 0, gap 9 dB", TwinPlanner),
        ("oracle", "oracle", OracleClusters),
        ("nearest_aps", "nearest_aps", NearestAps),
        ("toy_training:Best", "toy_training:Best", object),
    ],
)
def test_a_teacher_is_a_contender_or_a_policy_by_name(envs, asked, name, kind):
    found, policy = find_teacher(asked, "ApSelection", envs)
    assert found == name
    assert isinstance(policy, kind)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("twin-plannr", "teacher must be one of .*did you mean 'twin-planner'"),
        ("twin-planner: margin 0, gap 8 dB", "the constant of the teacher twin-planner must be one of .*did you mean"),
        ("nowhere_at_all:Policy", "nowhere_at_all"),
    ],
)
def test_an_unknown_teacher_is_refused_with_the_nearest(envs, asked, message):
    with pytest.raises(ConfigurationError, match=message):
        find_teacher(asked, "ApSelection", envs)
