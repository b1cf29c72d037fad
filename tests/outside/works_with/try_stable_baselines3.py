"""Stable-Baselines3: PPO on the native batch in the twin, DQN on one environment, evaluated in reality."""

from importlib.metadata import version

import gymnasium
from stable_baselines3 import DQN, PPO

import twin_envs
from twin_envs.wrappers import RelativeReward, RelativeRewardVector
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

envs = gymnasium.make_vec(ID, num_envs=4, world="twin", autoreset_mode="SameStep", **SMALL)
ppo = PPO("MlpPolicy", SB3VecEnv(RelativeRewardVector(envs)), n_steps=16, batch_size=32, gamma=0.95, device="cpu")
ppo.learn(128)

env = RelativeReward(gymnasium.make(ID, world="twin", **SMALL))
dqn = DQN("MlpPolicy", env, learning_starts=20, batch_size=16, gamma=0.95, device="cpu")
dqn.learn(60)

found = [twin_envs.evaluate(model, ID, seeds=2, options=SMALL).mean for model in (ppo, dqn)]
assert min(found) > 0
assert (ppo.num_timesteps, dqn.num_timesteps) == (128, 60)
print(f"stable-baselines3 {version('stable-baselines3')}: PPO on the native batch and DQN learnt and were evaluated")
