"""Minari: episodes recorded into a data set, read again, and the environment made anew from the data set."""

import os
import tempfile
from importlib.metadata import version

os.environ["MINARI_DATASETS_PATH"] = tempfile.mkdtemp()

import gymnasium
import minari
import numpy as np

ID = "twin_envs:twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

env = minari.DataCollector(gymnasium.make(ID, **SMALL))
env.action_space.seed(0)
for seed in range(3):
    env.reset(seed=seed)
    truncated = False
    while not truncated:
        *_, truncated, _ = env.step(env.action_space.sample())
env.create_dataset("twin_envs/feedback-interval/random-v0", algorithm_name="random")

data = minari.load_dataset("twin_envs/feedback-interval/random-v0")
episode = data[0]
again = data.recover_environment()
observation, _ = again.reset(seed=0)
np.testing.assert_array_equal(observation, episode.observations[0])
for action, reward in zip(episode.actions, episode.rewards, strict=True):
    assert again.step(action)[1] == reward
print(
    f"minari {version('minari')}: {data.total_steps} decisions of {data.total_episodes} episodes recorded and replayed"
)
