"""SuperSuit: every UE of two cells becomes one of a batch from which one network of Stable-Baselines3 learns."""

from importlib.metadata import version

import pettingzoo
import supersuit
from stable_baselines3 import PPO

import twin_envs  # noqa: F401 (registers the environments with PettingZoo)

SMALL = {"num_ue": 3, "episode_slots": 200, "decision_slots": 60, "device": "cpu"}

env = pettingzoo.make("parallel", "twin_envs/ApSelection-v1", world="twin", reward="own", **SMALL)
many = supersuit.pettingzoo_env_to_vec_env_v1(supersuit.black_death_v3(env))
envs = supersuit.concat_vec_envs_v1(many, 2, num_cpus=1, base_class="stable_baselines3")
assert envs.num_envs == 6
model = PPO("MlpPolicy", envs, n_steps=8, batch_size=24, n_epochs=1, device="cpu")
model.learn(96)
assert model.num_timesteps == 96
print(f"supersuit {version('supersuit')}: PPO learnt from {envs.num_envs} UEs of 2 cells past the ends of episodes")
