"""A policy that is used again knows nothing of the episode before, whenever it is asked for the first time."""

import numpy as np
import pytest

from twin_envs.agents.association.rules import EventTrigger, KeptAps
from twin_envs.agents.association.twin import FusedGains, TwinPlanner
from twin_envs.agents.beams.twin import TwinSweepPlanner
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.agents.csi_cell.scheduling import SchedulingPlanner
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.agents.csi_cell.twin import TwinPlanner as ReportPlanner
from twin_envs.envs.registry import specification

REMEMBERING = [
    ("FeedbackInterval", ReportPlanner),
    ("FeedbackInterval", OraclePlanner),
    ("ReportScheduling", lambda: SchedulingPlanner(AgeingTwin(), 0.5)),
    ("ApSelection", KeptAps),
    ("ApSelection", lambda: EventTrigger(1.0)),
    ("ApSelection", FusedGains),
    ("ApSelection", TwinPlanner),
    ("BeamSelection", TwinSweepPlanner),
]
SEED, OTHER_SEED, DECISIONS = 5, 6, 5


@pytest.fixture(scope="module")
def make():
    """Two environments of an id, the same ones for all tests."""
    made = {}

    def of(env):
        if env not in made:
            made[env] = make_envs(env, 2, **specification(env).small)
        return made[env]

    return of


def decided(policy, envs, seed, joins=0):
    """What a policy decides in an episode, of which the first `joins` decisions are somebody else's."""
    observation, _ = envs.reset(seed=seed)
    envs.action_space.seed(seed)
    actions = []
    for step in range(joins + DECISIONS):
        action = envs.action_space.sample() if step < joins else policy.predict(observation)[0]
        actions.append(action)
        observation, *_ = envs.step(action)
    return np.stack(actions)


@pytest.mark.parametrize(("env", "policy"), REMEMBERING)
def test_a_policy_decides_in_a_new_episode_as_if_it_were_its_first(make, env, policy):
    envs, used, new = make(env), policy(), policy()
    attach(used, envs)
    decided(used, envs, OTHER_SEED)
    again = [decided(used, envs, SEED, joins) for joins in (0, 2)]
    for joins, actions in zip((0, 2), again):
        attach(new, envs)
        np.testing.assert_array_equal(actions, decided(new, envs, SEED, joins))
