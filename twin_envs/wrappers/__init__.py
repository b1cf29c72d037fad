"""What training asks of an environment beyond its interface.

`RelativeReward` and `RelativeRewardVector` are the rewards to learn from; `twin_envs.wrappers.stable_baselines3` has
the native batch as Stable-Baselines3's `VecEnv`.
"""

from twin_envs.wrappers.relative_reward import RelativeReward, RelativeRewardVector

__all__ = ["RelativeReward", "RelativeRewardVector"]
