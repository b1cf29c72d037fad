"""RLlib's PPO on an environment with a flat action, trained in the twin.

RLlib asks for a Gymnasium of its own choice, so give it a virtual environment of its own:

    python -m venv .venv-rllib
    .venv-rllib/bin/pip install -e '.[rllib]'
    .venv-rllib/bin/python -m twin_envs.agents.learning.rllib_ppo --env FeedbackInterval --iterations 10
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import gymnasium
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env


def make(options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """The environment of id `options["id"]` with the other options."""
    return gymnasium.make(**options)


def configure(env: str, decisions: int, runners: int, seed: int) -> PPOConfig:
    """PPO whose discount is near 1, as windows differ in length; the id names the module, so workers import it."""
    register_env("twin_envs", make)
    return (
        PPOConfig()
        .environment("twin_envs", env_config={"id": f"twin_envs:twin_envs/{env}-v0", "world": "twin", "device": "cpu"})
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=8)
        .training(gamma=0.995, lr=3e-4, train_batch_size_per_learner=decisions, minibatch_size=200, num_epochs=4)
        .debugging(seed=seed)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="FeedbackInterval", help="name of the environment")
    parser.add_argument("--iterations", type=int, default=10, help="updates of the policy")
    parser.add_argument("--decisions", type=int, default=1600, help="collected for each of them")
    parser.add_argument("--runners", type=int, default=0, help="processes that step environments; 0: this one")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    algorithm = configure(arguments.env, arguments.decisions, arguments.runners, arguments.seed).build_algo()
    for iteration in range(1, arguments.iterations + 1):
        found = algorithm.train()["env_runners"]
        mean = found.get("episode_return_mean", math.nan)  # of the episodes that have ended
        print(f"{iteration:3d}  mean return {mean:.2f} bit/s/Hz", flush=True)
    algorithm.stop()


if __name__ == "__main__":
    main()
