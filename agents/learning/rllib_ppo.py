"""RLlib's PPO on an environment with a flat action, trained in the twin and evaluated in reality.

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

from twin_envs.agents.core.environments import training_of
from twin_envs.wrappers import RelativeReward


def make(options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """The environment of id `options["id"]` with the other options, and in a twin world with rewards to learn from."""
    env = gymnasium.make(**options)
    return env if options["world"] == "reality" else RelativeReward(env)


def configure(env: str, decisions: int, runners: int, seed: int, iterations: int, episodes: int) -> PPOConfig:
    """PPO with the discount of the environment's `Training`; the last iteration evaluates in reality.

    The id names the module, so workers import it.
    """
    register_env("twin_envs", make)
    options = {"id": f"twin_envs:twin_envs/{env}-v1", "world": "twin", "device": "cpu"}
    return (
        PPOConfig()
        .environment("twin_envs", env_config=options)
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=8)
        .training(
            gamma=training_of(env).discount,
            lr=3e-4,
            train_batch_size_per_learner=decisions,
            minibatch_size=200,
            num_epochs=4,
        )
        .evaluation(
            evaluation_interval=iterations,
            evaluation_duration=episodes,
            evaluation_config=PPOConfig.overrides(env_config={**options, "world": "reality"}, explore=False),
        )
        .debugging(seed=seed)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="FeedbackInterval", help="name of the environment")
    parser.add_argument("--iterations", type=int, default=10, help="updates of the policy")
    parser.add_argument("--decisions", type=int, default=1600, help="collected for each of them")
    parser.add_argument("--runners", type=int, default=0, help="processes that step environments; 0: this one")
    parser.add_argument("--episodes", type=int, default=8, help="in reality, after the last update")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    algorithm = configure(**vars(arguments)).build_algo()
    for iteration in range(1, arguments.iterations + 1):
        found = algorithm.train()
        mean = found["env_runners"].get("episode_return_mean", math.nan)  # of the episodes that have ended
        print(f"{iteration:3d}  mean relative return {mean:+.2f}", flush=True)
    print(f"in reality: {found['evaluation']['env_runners']['episode_return_mean']:.2f} bit/s/Hz")
    algorithm.stop()


if __name__ == "__main__":
    main()
