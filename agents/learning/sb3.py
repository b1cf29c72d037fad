"""Stable-Baselines3 on a batch of cells, and its models among the policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from twin_envs.agents.core.policies import Array, State
from twin_envs.agents.learning.spaces import from_learner, learner_space
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.faces.vector import TaskVectorEnv

_NOT_OBJECTS = "the environments of a batch are no objects of their own: they have no {what}"


class SB3VecEnv(VecEnv):
    """A `TaskVectorEnv` as the `VecEnv` that Stable-Baselines3 learns in; see `learner_space` for its actions.

    Args:
        envs: made with `autoreset_mode="SameStep"`, for that is when a `VecEnv` resets.

    Raises:
        ConfigurationError: `envs` resets at another time.
    """

    def __init__(self, envs: TaskVectorEnv) -> None:
        if envs.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise ConfigurationError(f"autoreset_mode must be 'SameStep', got {envs.autoreset_mode.value!r}")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, learner_space(envs.single_action_space))

    def reset(self) -> Array:
        """Begin new episodes, with the seeds of the last call of `seed`."""
        observation, _ = self.envs.reset(seed=self._seeds)
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Array) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = from_learner(actions, self.envs.single_action_space)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """One decision in every environment."""
        observation, rewards, _, truncated, info = self.envs.step(self._actions)
        terms = {key: values for key, values in info.items() if f"_{key}" in info and not key.startswith("final_")}
        infos = [{key: values[index] for key, values in terms.items()} for index in range(self.num_envs)]
        for index in np.flatnonzero(truncated):
            infos[index]["terminal_observation"] = info["final_obs"][index]
            infos[index]["TimeLimit.truncated"] = True
        return observation, rewards.astype(np.float32), truncated, infos

    def close(self) -> None:
        """Close the batch."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The batch's attribute, once for each environment."""
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raises `AttributeError`."""
        raise AttributeError(_NOT_OBJECTS.format(what=f"attribute {attr_name!r} to set"))

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Raises `AttributeError`."""
        raise AttributeError(_NOT_OBJECTS.format(what=f"method {method_name!r}"))

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Never: a batch has no wrappers round single environments."""
        return [False for _ in self._get_indices(indices)]


class RelativeReward(VecEnvWrapper):
    """Rewards for learning: by how much a window earned more than its cell does on average, in units of a step.

        reward' = (reward - mean reward per slot x elapsed_slots) / (mean size of rewards per slot x mean elapsed_slots)

    The means of rewards are over the episode so far, and at its beginning over all cells. So a cell with good channels
    looks like any other, and what is learnt from is the difference that a decision makes (the differential reward of
    average-reward reinforcement learning; Sutton and Barto, "Reinforcement learning", 2nd ed., section 10.3). A long
    window, which earns more because it is long, is worth no more than the same time in short ones; with a discount
    below 1 and the rewards as they are, an agent would learn to let the time pass.

    Args:
        envs: a `VecEnv` whose infos hold `elapsed_slots`.
    """

    FORGETTING = 0.999
    """Weight of the past in the means over all cells at each step."""
    STEPS_OF_ALL = 10
    """Steps of the episode at which the mean over all cells and its own weigh the same."""
    _LEAST_SIZE = 1e-9

    def __init__(self, envs: VecEnv) -> None:
        super().__init__(envs)
        self._all = np.zeros(4)  # earned, sizes of rewards, elapsed slots, steps; of all cells, with forgetting
        self._own = np.zeros((3, self.num_envs))  # earned, sizes of rewards, elapsed slots; of the episode so far

    def reset(self) -> Array:
        """Begin new episodes."""
        self._own[:] = 0.0
        return np.asarray(self.venv.reset())

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """One decision in every environment."""
        observation, rewards, dones, infos = self.venv.step_wait()
        elapsed = np.array([info["elapsed_slots"] for info in infos])
        told = np.stack([rewards, np.abs(rewards), elapsed])
        self._all = self.FORGETTING * self._all + [*told.sum(1), self.num_envs]
        prior = self.STEPS_OF_ALL * self._all[:3, None] / self._all[3]
        earned, size, slots = self._own + prior
        step_slots = self._all[2] / self._all[3]
        relative = (rewards - earned / slots * elapsed) / np.maximum(size / slots * step_slots, self._LEAST_SIZE)
        self._own = np.where(dones, 0.0, self._own + told)
        return np.asarray(observation), relative.astype(np.float32), dones, infos


class SB3Policy:
    """A policy of Stable-Baselines3 as a `Policy`.

    Args:
        network: the policy; `model.policy` of an algorithm that learnt in an `SB3VecEnv`.
        fields: names of the numbers of the observations that it was made for, in their order.
        action_space: of the environments that it was made for.
    """

    def __init__(self, network: BasePolicy, fields: Sequence[str], action_space: spaces.Space[Any]) -> None:
        self.network, self.fields, self.action_space = network, list(fields), action_space

    def attach(self, envs: TaskVectorEnv) -> None:
        """See `Policy`. Raises `ConfigurationError` if the network was made for other observations or actions."""
        fields = envs.observation_layout.names
        if self.fields != fields:
            odd = [f"{i} is {now}, was {was}" for i, (now, was) in enumerate(zip(fields, self.fields)) if now != was]
            raise ConfigurationError(
                f"observations must have the {len(self.fields)} numbers that the policy was trained with, got "
                f"{len(fields)} ({odd[0] if odd else 'the others are the same'}); use the options of its training, or "
                "train it anew"
            )
        if self.action_space != envs.single_action_space:
            raise ConfigurationError(
                f"action space must be {envs.single_action_space}, as in these environments, got a policy for "
                f"{self.action_space}"
            )

    def predict(
        self,
        observation: Array,
        state: State = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, State]:
        """See `Policy`."""
        actions, state = self.network.predict(observation, state, episode_start, deterministic)
        return from_learner(actions, self.action_space), state
