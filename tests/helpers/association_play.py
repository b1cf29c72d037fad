"""Whole episodes of small networks of access points, for what is said of the policies there."""

import numpy as np

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach

OPTIONS = {"num_ue": 4, "episode_slots": 1000, "cluster_size": 3, "device": "cpu"}
NUM_ENVS = 6


def make(env="ApAssociation", num_envs=NUM_ENVS, **options):
    """A batch of small networks."""
    settings = {**OPTIONS, **options}
    if env == "ApSelection":
        del settings["cluster_size"]
    return make_envs(env, num_envs, **settings)


def play(envs, policy, watch=lambda envs, observation, action: None, seed=0, of="delivered"):
    """Sum of a term over an episode in each environment; `watch` sees every decision before it is made."""
    attach(policy, envs)
    observation, _ = envs.reset(seed=seed)
    total, truncated = np.zeros(envs.num_envs), np.zeros(envs.num_envs, bool)
    while not truncated.any():
        action, _ = policy.predict(observation)
        assert envs.action_space.contains(action)
        watch(envs, observation, action)
        observation, _, _, truncated, info = envs.step(action)
        total += info[of]
    return total


def chosen(envs, action):
    """The APs that an action wants to serve, bool [N, A]."""
    size = envs.network.config.cluster_size
    best = np.argsort(-action, axis=-1, kind="stable")[:, :size]
    return np.put_along_axis(mask := np.zeros(action.shape, bool), best, True, -1) or mask


def field(envs, observation, name):
    """A field of the observations in its unit."""
    return envs.observation_layout.value(observation, name)
