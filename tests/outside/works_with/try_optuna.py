"""Optuna: learning rate and discount of Stable-Baselines3's PPO, trained in the twin and judged on seeds for tuning."""

from importlib.metadata import version

import gymnasium
import optuna
from stable_baselines3 import PPO

import twin_envs
from twin_envs.wrappers import RelativeRewardVector
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "world": "twin", "device": "cpu"}


def objective(trial: optuna.Trial) -> float:
    envs = gymnasium.make_vec(ID, num_envs=4, autoreset_mode="SameStep", **SMALL)
    model = PPO(
        "MlpPolicy",
        SB3VecEnv(RelativeRewardVector(envs)),
        n_steps=16,
        batch_size=32,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        gamma=trial.suggest_float("gamma", 0.8, 0.99),
        device="cpu",
    )
    model.learn(64)
    return twin_envs.evaluate(model, ID, seeds=range(500_000, 500_004), options=SMALL).mean


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=3)
assert len(study.trials) == 3
assert study.best_value > 0
print(f"optuna {version('optuna')}: 3 trials of PPO, best mean return {study.best_value:.2f} bit/s/Hz in the twin")
