"""A trained network among the policies: what it decides quickly is what Stable-Baselines3 decides."""

import numpy as np
import pytest
import torch
from toy_task import ITEMS, make_toys

from twin_envs.agents.learning.algorithms import configure, new_network
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.wrappers.learner_space import from_learner


@pytest.mark.parametrize("actions", ["Discrete", "MultiDiscrete", "Box", "Item"])
def test_likeliest_actions_are_those_of_stable_baselines3(actions):
    envs = make_toys("toy", 1, actions=actions)
    layout, space = envs.observation_layout, envs.single_action_space
    network, generator = new_network(configure("ppo", {}), layout.size, layout.items, space), torch.Generator()
    generator.manual_seed(0)
    for parameter in network.parameters():
        parameter.data.normal_(0.0, 1.0, generator=generator)
    observations = np.random.default_rng(0).random((256, layout.size), np.float32)
    decided, state = SB3Policy(network, layout.names, space).predict(observations)
    expected, _ = network.predict(observations, deterministic=True)
    assert state is None
    assert np.array_equal(decided, from_learner(expected, space))
    assert len(np.unique(decided, axis=0)) > 1


def test_actions_are_drawn_where_they_need_not_be_the_likeliest():
    envs = make_toys("toy", 1, actions="Item")
    layout = envs.observation_layout
    network = new_network(configure("ppo", {}), layout.size, layout.items, envs.single_action_space)
    policy = SB3Policy(network, layout.names, envs.single_action_space)
    observations = np.full((256, layout.size), 0.5, np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn, _ = policy.predict(observations, deterministic=False)
    assert set(drawn) == set(range(ITEMS))  # alike, as all items are
    assert len(set(policy.predict(observations)[0])) == 1
