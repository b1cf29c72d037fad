"""Gymnasium: one environment, and the native batch under a wrapper for batches."""

from importlib.metadata import version

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers.vector import RecordEpisodeStatistics

ID = "twin_envs:twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

check_env(gymnasium.make(ID, **SMALL).unwrapped)

envs = RecordEpisodeStatistics(gymnasium.make_vec(ID, num_envs=4, **SMALL))
envs.action_space.seed(0)
envs.reset(seed=0)
ended = 0
for _ in range(40):
    observation, reward, _, truncated, _ = envs.step(envs.action_space.sample())
    assert observation.shape == envs.observation_space.shape
    assert np.isfinite(reward).all()
    ended += truncated.sum()
assert ended == len(envs.return_queue) >= 4
print(f"gymnasium {version('gymnasium')}: check_env passed, {ended} episodes in a batch of 4")
