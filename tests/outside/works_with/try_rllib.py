"""RLlib: PPO trains in the twin and is evaluated in reality, through the environment's id."""

from importlib.metadata import version

import gymnasium
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env

from twin_envs.wrappers import RelativeReward

SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}


def make(options):
    """The id names the module, so that workers import it."""
    env = gymnasium.make("twin_envs:twin_envs/FeedbackInterval-v1", **options)
    return env if options["world"] == "reality" else RelativeReward(env)


register_env("twin_envs", make)
algorithm = (
    PPOConfig()
    .environment("twin_envs", env_config={**SMALL, "world": "twin"})
    .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
    .training(gamma=0.95, train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1)
    .evaluation(
        evaluation_interval=1,
        evaluation_duration=2,
        evaluation_config=PPOConfig.overrides(env_config={**SMALL, "world": "reality"}, explore=False),
    )
    .build_algo()
)
found = algorithm.train()
algorithm.stop()
assert found["env_runners"]["num_env_steps_sampled"] >= 64
assert found["evaluation"]["env_runners"]["episode_return_mean"] > 0
print(f"ray {version('ray')}: RLlib's PPO learnt from {found['env_runners']['num_env_steps_sampled']:.0f} decisions")
