"""Who chooses a twin before a deadline."""

import pytest
import torch

from twin_envs.agents.beams.fidelity import AdaptiveTwin, DeadlineRule
from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError


def attached(policy, envs):
    policy.attach(envs.network)
    return policy


def test_the_deadline_rule_takes_the_dearest_twin_that_is_in_time():
    envs = make_envs("TwinFidelity", 3, device="cpu", num_ue=2, episode_slots=8000, cycle_slots=8000)
    envs.reset(seed=0)
    envs.network.actions.latency_slots = torch.tensor([10, 100, 200, 400])
    envs.network.state.burst_slots[:] = torch.tensor([5, 150, 2010])
    assert attached(DeadlineRule(1.0), envs).predict(None)[0].tolist() == [0, 1, 3]
    assert attached(DeadlineRule(0.1), envs).predict(None)[0].tolist() == [0, 0, 2]


def test_who_waits_unwillingly_asks_quicker_twins_and_deadlines_matter():
    envs = make_envs("TwinFidelity", 8, device="cpu", num_ue=2, episode_slots=8000, cycle_slots=8000)
    envs.reset(seed=0)
    state, chosen = envs.network.state, {}
    for burst in (160, 2560):
        state.burst_slots[:] = burst
        for impatience in (1.0, 100.0):
            chosen[burst, impatience] = attached(AdaptiveTwin(impatience, places=500), envs).predict(None)[0].mean()
    assert chosen[160, 100.0] <= chosen[160, 1.0]
    assert chosen[2560, 100.0] <= chosen[2560, 1.0]
    assert chosen[2560, 1.0] > chosen[160, 100.0]


def test_environments_without_twins_to_choose_from_are_refused(envs):
    with pytest.raises(ConfigurationError, match="twins to choose from"):
        DeadlineRule().attach(envs.network)
