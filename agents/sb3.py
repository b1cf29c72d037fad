"""Stable-Baselines3 on a batch of cells, and its models among the policies."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from agents.policies import Array, State
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.errors import ConfigurationError

_NOT_OBJECTS = "the environments of a batch are no objects of their own: they have no {what}"


class SB3VecEnv(VecEnv):
    """A `TaskVectorEnv` as the `VecEnv` that Stable-Baselines3 learns in.

    Args:
        envs: made with `autoreset_mode="SameStep"`, for that is when a `VecEnv` resets.

    Raises:
        ConfigurationError: `envs` resets at another time.
    """

    def __init__(self, envs: TaskVectorEnv) -> None:
        if envs.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise ConfigurationError(f"autoreset_mode must be 'SameStep', got {envs.autoreset_mode.value!r}")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Array:
        """Begin new episodes, with the seeds of the last call of `seed`."""
        observation, _ = self.envs.reset(seed=self._seeds)
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Array) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """One report in every environment."""
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

        reward' = (reward / mean earnings per slot - elapsed_slots) / uplink_period_slots

    The mean is over the episode so far, and at its beginning over all cells. So a cell with good channels looks like
    any other, and what is learnt from is the difference that a decision makes (the differential reward of
    average-reward reinforcement learning; Sutton and Barto, "Reinforcement learning", 2nd ed., section 10.3). A long
    window, which earns more because it is long, is worth no more than the same time in short ones; with a discount
    below 1 and the rewards as they are, an agent would learn to let the uplink idle.

    Args:
        envs: a `VecEnv` whose infos hold `elapsed_slots`.
        uplink_period_slots: length of a step while the uplink is busy.
    """

    FORGETTING = 0.999
    """Weight of the past in the mean over all cells at each step."""
    STEPS_OF_ALL = 10
    """Steps of the episode at which the mean over all cells and its own weigh the same."""

    def __init__(self, envs: VecEnv, uplink_period_slots: int) -> None:
        super().__init__(envs)
        self._uplink_period_slots = uplink_period_slots
        self._all_earned = self._all_elapsed = 0.0
        self._earned, self._elapsed = np.zeros(self.num_envs), np.zeros(self.num_envs)

    def reset(self) -> Array:
        """Begin new episodes."""
        self._earned[:] = self._elapsed[:] = 0.0
        return np.asarray(self.venv.reset())

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """One report in every environment."""
        observation, rewards, dones, infos = self.venv.step_wait()
        elapsed = np.array([info["elapsed_slots"] for info in infos])
        self._all_earned = self.FORGETTING * self._all_earned + float(rewards.sum())
        self._all_elapsed = self.FORGETTING * self._all_elapsed + float(elapsed.sum())
        before = self.STEPS_OF_ALL * self._uplink_period_slots
        expected = before * max(self._all_earned, 1e-9) / self._all_elapsed
        per_slot = (self._earned + expected) / (self._elapsed + before)
        relative = (rewards / per_slot - elapsed) / self._uplink_period_slots
        self._earned = np.where(dones, 0.0, self._earned + rewards)
        self._elapsed = np.where(dones, 0.0, self._elapsed + elapsed)
        return np.asarray(observation), relative.astype(np.float32), dones, infos


class SB3Policy:
    """A policy of Stable-Baselines3 as a `Policy`.

    Args:
        network: the policy; `model.policy` of an algorithm.
    """

    def __init__(self, network: BasePolicy) -> None:
        self.network = network

    def attach(self, envs: TaskVectorEnv) -> None:
        """See `Policy`. Raises `ConfigurationError` if the network was made for other spaces."""
        for field, space, other in (
            ("observation space", envs.single_observation_space, self.network.observation_space),
            ("action space", envs.single_action_space, self.network.action_space),
        ):
            if space != other:
                raise ConfigurationError(
                    f"{field} must be {space}, as in these environments, got a network for {other}"
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
        return actions, state
