"""Rewards to learn from: by how much a window earned more than its cell does on average.

The windows between two decisions differ in length, and cells differ in their channels. Learnt from as it is, with a
discount per decision, the reward of an environment has two faults. A long window earns more because it is long, and
comes at the price of a single discount: the agent learns to let the time pass. And the reward says whose cell it is
rather than what the decision was worth. The differential reward of average-reward reinforcement learning has neither
(R. Sutton and A. Barto, "Reinforcement learning", 2nd ed., section 10.3). Where decisions take time, as in a
semi-Markov decision process, the average is taken per time (T. Das et al., "Solving semi-Markov decision problems using
average reward reinforcement learning", Management Science 45(4), 1999). Then a discount per decision does no harm, and
bounds only how far ahead effects are sought; `## Training` in the docstring of each environment has one that works.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from twin_envs.base.errors import ConfigurationError

Array = np.ndarray[Any, Any]

FORGETTING = 0.999
"""Weight of the past in the means over all cells at each step."""
STEPS_OF_ALL = 10
"""Steps of the episode at which the mean over all cells and its own weigh the same."""
_LEAST_SIZE = 1e-9
_ELAPSED = "elapsed_slots"


class RelativeReward(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """One environment with rewards to learn from, in units of a step:

        reward' = (reward - mean reward per slot x elapsed_slots) / (mean size of rewards per slot x mean elapsed_slots)

    The means of rewards are over the episode so far, and at its beginning over all episodes, of which older ones are
    forgotten. So a cell with good channels looks like any other, and a long window is worth no more than the same time
    in short ones. Observations, infos and episodes are those of the environment. Evaluate without this wrapper, for the
    return in bit/s/Hz is that of the environment; to see it while learning, put Gymnasium's `RecordEpisodeStatistics`
    inside.

    ```python
    import gymnasium
    import twin_envs
    from twin_envs.wrappers import RelativeReward

    env = RelativeReward(gymnasium.make("twin_envs/FeedbackInterval-v1", world="twin"))
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    ```

    Args:
        env: an environment whose infos have `elapsed_slots`, as all of twin-envs have.

    Raises:
        ConfigurationError: by `step`, if the info has no `elapsed_slots`.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._means = _Means(1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode."""
        self._means.forget(np.ones(1, bool))
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One decision."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        slots = np.array([_elapsed(info)], np.float64)
        relative = self._means.relative(np.array([reward], np.float64), slots, np.ones(1, bool))
        return observation, float(relative[0]), terminated, truncated, info


class RelativeRewardVector(VectorWrapper):
    """A batch of environments with the rewards of `RelativeReward`; at first the means are over all of its cells.

    The batch may be a native one or one of Gymnasium's, with any autoreset mode. A step that only resets has reward 0.

    ```python
    import gymnasium
    import twin_envs
    from twin_envs.wrappers import RelativeRewardVector

    envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=64, world="twin", autoreset_mode="SameStep")
    envs = RelativeRewardVector(envs)
    observations, infos = envs.reset(seed=0)
    observations, rewards, terminated, truncated, infos = envs.step(envs.action_space.sample())
    ```

    Args:
        env: a batch whose infos have `elapsed_slots`, as all of twin-envs have.

    Raises:
        ConfigurationError: by `step`, if the infos have no `elapsed_slots`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._means = _Means(self.num_envs)
        self._over = np.zeros(self.num_envs, bool)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes, in some environments only if `options` has a `reset_mask`."""
        begun = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, bool)), bool)
        found = self.env.reset(seed=seed, options=options)
        self._means.forget(begun)
        self._over &= ~begun
        return found

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """One decision in every environment."""
        observation, rewards, terminated, truncated, infos = self.env.step(actions)
        acted, ended = ~self._over, np.asarray(terminated | truncated)
        # A new episode may have begun in the same step: then what is beside `final_info` is about that one.
        final = ended if "final_info" in infos else np.zeros_like(ended)
        slots = np.zeros(self.num_envs)
        for cells, told in ((acted & ~final, infos), (final, infos.get("final_info", {}))):
            if cells.any():
                slots[cells] = np.asarray(_elapsed(told))[cells]
        relative = self._means.relative(np.asarray(rewards, np.float64), slots, acted)
        self._means.forget(ended)
        self._over = ended if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP else np.zeros_like(ended)
        return observation, relative, terminated, truncated, infos


class _Means:
    """What N cells earn on average."""

    def __init__(self, cells: int) -> None:
        self._all = np.zeros(4)  # earned, sizes of rewards, elapsed slots, steps; of all cells, with forgetting
        self._own = np.zeros((3, cells))  # earned, sizes of rewards, elapsed slots; of the episode so far

    def forget(self, cells: Array) -> None:
        """New episodes begin in the cells of this mask, bool [N]."""
        self._own[:, cells] = 0.0

    def relative(self, rewards: Array, elapsed_slots: Array, acted: Array) -> Array:
        """Relative rewards [N] of what was earned in `elapsed_slots` [N], which count from now on; 0 without a step."""
        told = np.where(acted, np.stack([rewards, np.abs(rewards), elapsed_slots]), 0.0)
        self._all = FORGETTING * self._all + [*told.sum(1), acted.sum()]
        steps = max(self._all[3], 1.0)
        earned, size, slots = self._own + STEPS_OF_ALL * self._all[:3, None] / steps
        self._own += told
        step_slots, slots = self._all[2] / steps, np.maximum(slots, 1.0)
        unit = np.maximum(size / slots * step_slots, _LEAST_SIZE)
        return np.where(acted, (rewards - earned / slots * elapsed_slots) / unit, 0.0)


def _elapsed(info: dict[str, Any]) -> Any:
    if _ELAPSED not in info:
        raise ConfigurationError(f"the environment's info must have {_ELAPSED!r}, got {sorted(info)}")
    return info[_ELAPSED]
