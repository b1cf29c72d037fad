"""RL Baselines3 Zoo: its command trains PPO in the twin, with hyperparameters from a file of Python."""

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from stable_baselines3 import PPO

import twin_envs

SETTINGS = """
hyperparams = {
    "twin_envs/FeedbackInterval-v1": dict(
        n_envs=2,
        n_timesteps=64,
        policy="MlpPolicy",
        n_steps=16,
        batch_size=16,
        gamma=0.95,
        env_wrapper="twin_envs.wrappers.RelativeReward",
    )
}
"""

folder = Path(tempfile.mkdtemp())
(folder / "settings.py").write_text(SETTINGS)
command = [sys.executable, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", "twin_envs/FeedbackInterval-v1"]
command += ["--gym-packages", "twin_envs", "--conf-file", str(folder / "settings.py"), "--log-folder", str(folder)]
command += ["--env-kwargs", "world:'twin'", "num_ue:3", "episode_slots:200", "device:'cpu'"]
command += ["--eval-freq", "-1", "--seed", "0", "--device", "cpu"]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
saved = list(folder.rglob("twin_envs-FeedbackInterval-v1.zip"))
assert len(saved) == 1

small = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}
found = twin_envs.evaluate(PPO.load(saved[0], device="cpu"), "twin_envs/FeedbackInterval-v1", seeds=2, options=small)
assert found.mean > 0
print(f"rl-zoo3 {version('rl-zoo3')}: its command trained PPO, whose model was loaded and evaluated")
