"""sb3-contrib: recurrent PPO on the native batch in the twin, evaluated in reality."""

from importlib.metadata import version

import gymnasium
from sb3_contrib import RecurrentPPO

import twin_envs
from twin_envs.wrappers import RelativeRewardVector
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

envs = gymnasium.make_vec(ID, num_envs=4, world="twin", autoreset_mode="SameStep", **SMALL)
model = RecurrentPPO(
    "MlpLstmPolicy", SB3VecEnv(RelativeRewardVector(envs)), n_steps=16, batch_size=32, gamma=0.95, device="cpu"
)
model.learn(128)
assert model.num_timesteps == 128
assert twin_envs.evaluate(model, ID, seeds=2, options=SMALL).mean > 0
print(f"sb3-contrib {version('sb3-contrib')}: RecurrentPPO on the native batch learnt and was evaluated")
