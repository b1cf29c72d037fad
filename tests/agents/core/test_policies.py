import numpy as np
import pytest

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import FixedPolicy, RandomPolicy, attach
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS


@pytest.fixture(scope="module")
def envs():
    return make_envs("FeedbackInterval", 3, num_ue=2, episode_slots=200)


def test_random_policy_draws_every_action_equally_often(envs):
    policy = RandomPolicy(0)
    policy.attach(envs.network)
    actions, state = policy.predict(np.zeros((10_000, 4), np.float32))
    assert state is None
    assert actions.dtype == np.int64
    count = np.bincount(actions, minlength=len(REPORT_PERIODS_SLOTS))
    assert len(count) == len(REPORT_PERIODS_SLOTS)
    # Each count is binomial with mean 1000 and standard deviation 30.
    assert np.abs(count - 1000).max() < 150


def test_random_policy_repeats_itself_in_the_next_rollout_and_differs_with_the_seed(envs):
    observation = np.zeros((64, 4), np.float32)
    drawn = []
    for policy in (first := RandomPolicy(1), first, RandomPolicy(2)):
        policy.attach(envs.network)
        drawn.append(policy.predict(observation)[0])
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_fixed_policy_sets_the_period_of_every_ue_that_reports(envs):
    action = 5
    policy = FixedPolicy(action)
    policy.attach(envs.network)
    observation, _ = envs.reset(seed=0)
    turn = envs.network.state.turn.clone()
    actions, _ = policy.predict(observation)
    assert envs.action_space.contains(actions)
    envs.step(actions)
    assert envs.network.state.period_slots[range(3), turn].tolist() == [REPORT_PERIODS_SLOTS[action]] * 3


@pytest.mark.parametrize("action", [-1, len(REPORT_PERIODS_SLOTS), 1.5, True])
def test_fixed_policy_refuses_an_action_that_does_not_exist(envs, action):
    with pytest.raises(ConfigurationError, match="action must be"):
        FixedPolicy(action).attach(envs.network)


def test_oracles_are_shown_the_environments_and_others_the_networks_view_alone(envs):
    class Told:
        def __init__(self):
            self.told = []

        def attach(self, network):
            self.told.append(network)

    class ToldAll(Told, Oracle):
        def reveal(self, envs):
            self.told.append(envs)

    for kind, expected in ((Told, [envs.network]), (ToldAll, [envs, envs.network])):
        policy = kind()
        attach(policy, envs)
        assert policy.told == expected


def test_unknown_environment_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'FeedbackInterval'"):
        make_envs("FeedbakInterval", 1)
