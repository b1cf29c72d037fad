"""d3rlpy: offline learning (discrete CQL) from episodes of random decisions in the twin, evaluated in reality."""

from importlib.metadata import version

import d3rlpy
import gymnasium
import numpy as np

import twin_envs
from twin_envs.wrappers import RelativeReward

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

env = RelativeReward(gymnasium.make(ID, world="twin", **SMALL))
env.action_space.seed(0)
observations, actions, rewards, timeouts = [], [], [], []
for seed in range(6):
    observation, _ = env.reset(seed=seed)
    truncated = False
    while not truncated:
        action = env.action_space.sample()
        observations.append(observation)
        actions.append([action])
        observation, reward, _, truncated, _ = env.step(action)
        rewards.append([reward])
        timeouts.append(truncated)
data = d3rlpy.dataset.MDPDataset(
    np.array(observations),
    np.array(actions),
    np.array(rewards, np.float32),
    terminals=np.zeros(len(timeouts)),
    timeouts=np.array(timeouts),
    action_space=d3rlpy.ActionSpace.DISCRETE,
    action_size=env.action_space.n,
)
learner = d3rlpy.algos.DiscreteCQLConfig(batch_size=16, gamma=0.95).create(device="cpu")
adapter = d3rlpy.logging.NoopAdapterFactory()
losses = learner.fit(data, n_steps=20, n_steps_per_epoch=20, logger_adapter=adapter, show_progress=False)
assert np.isfinite(losses[-1][1]["loss"])
assert twin_envs.evaluate(lambda seen: learner.predict(seen), ID, seeds=2, options=SMALL).mean > 0
print(f"d3rlpy {version('d3rlpy')}: discrete CQL learnt from {len(timeouts)} decisions and was evaluated")
