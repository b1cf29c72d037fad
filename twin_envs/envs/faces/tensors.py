"""The face of tensors, for trainers on torch: observations, actions and rewards stay on the device."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.settings import computing
from twin_envs.envs.core.plain import whole
from twin_envs.envs.faces.face import Face
from twin_envs.envs.faces.seeds import BatchSeeds, Seed
from twin_envs.envs.registry import specification

Tensors = dict[str, torch.Tensor]


class TaskTensorEnv(Face):
    """B episodes in one batch, tensors in and tensors out.

    Its physics, seeds and spaces are those of `TaskVectorEnv` with `autoreset_mode="SameStep"`: an episode that is over
    begins anew in the same step. Two things are asked of the device in a step, each as few bytes: whether all actions
    are in their space, and which episodes are over.

    Args:
        num_envs: B.
        task: what is decided; faces of one task have it in `task_type`.
        device: `auto`, or a device of torch, such as `cpu` or `cuda:0`.
        max_episode_steps: an episode is truncated after so many steps, if not by `episode_slots` before; None for no
            such limit.
        options: fields of the task's configuration.

    Attributes:
        device: where all tensors are.
        single_action_space, single_observation_space: of one environment.
        action_space, observation_space: of the batch.

    Raises:
        UnknownOption: there is no such option; a `ConfigurationError`, too.
        ConfigurationError: an option is outside its range.
        SiteError: the site is missing or damaged.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str | None = None,
        device: str | torch.device = "auto",
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        num_envs, max_episode_steps = whole(num_envs), whole(max_episode_steps)
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        if max_episode_steps is not None:
            check_number("max_episode_steps", max_episode_steps, 1, integer=True)
        self.num_envs, self._most_steps = num_envs, max_episode_steps or math.inf
        self._make(task, options, num_envs, device, None)
        self.device = self.core.device
        self.single_action_space = deepcopy(self.task.action_space)
        self.single_observation_space = self.task.layout.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._actions, self._shape = _actions_of(self.single_action_space, self.device), self.action_space.shape
        self._seeds, self._all = BatchSeeds(num_envs), torch.arange(num_envs, device=self.device)
        self._steps = torch.zeros(num_envs, dtype=torch.int64, device=self.device)

    def reset(self, *, seed: Seed = None) -> tuple[torch.Tensor, Tensors]:
        """Begin new episodes; an integer seed s gives environment i the seed s + i, a list is taken as it is.

        Returns:
            Observations float32 [B, D], and the terms that `step` tells, all 0, and whose turn it is.
        """
        self._seeds.sow(seed, range(self.num_envs))
        with computing(self.num_envs):
            self._begin(self._all)
            observation, info = self._observe(self._all), self.task.reset_info(self._all)
        return observation.clone(), _ordinary(info)

    def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Tensors]:
        """One decision in every environment.

        Args:
            actions: of the batch's action space, on any device; whole numbers of any signed type or of uint8 for
                choices [B] or [B, K], numbers of any such type or real ones for continuous actions.

        Returns:
            observation: float32 [B, D]; of an episode that is over, the first of the next.
            reward: float32 [B].
            terminated: bool [B], never: episodes end with their time.
            truncated: bool [B].
            info: what came of the step [B, ...] each, and `final_observation` [B, D], which is another than the
                observation where an episode is over. All tensors are ordinary ones, which may take part in training.

        Raises:
            InvalidAction: actions have another shape or type, or are outside the space.
            ResetNeeded: there was no `reset` before.
        """
        if not self._seeds.complete:
            raise gymnasium.error.ResetNeeded("call reset before the first step")
        with computing(self.num_envs):
            step = self.task.step(self._all, self._checked(actions))
            self._steps += 1
            truncated = step.truncated | (self._steps >= self._most_steps)
            info = {**step.info, "final_observation": self._observe(self._all)}
            observation = info["final_observation"].clone()
            over = truncated.nonzero()[:, 0]
            if len(over):
                self._begin(over)
                observation[over] = self._observe(over)
        terminated = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        return observation.clone(), step.reward.clone(), terminated, truncated.clone(), _ordinary(info)

    def _begin(self, rows: torch.Tensor) -> None:
        self.core.reset(rows, torch.tensor(self._seeds.keys(rows.tolist()), device=self.device))
        self._steps[rows] = 0

    def _observe(self, rows: torch.Tensor) -> torch.Tensor:
        return self.task.observe(rows, self.task.turn(rows))

    def _checked(self, actions: torch.Tensor) -> torch.Tensor:
        fits = isinstance(actions, torch.Tensor) and tuple(actions.shape) == self._shape
        cast = self._actions.cast(actions) if fits else None
        if cast is None:
            raise gymnasium.error.InvalidAction(f"actions must be a tensor in {self.action_space}, got {actions!r}")
        return cast


def tensor_envs(name: str, num_envs: int = 1, **options: Any) -> TaskTensorEnv:
    """A batch of environments whose observations, actions and rewards are tensors on one device.

    Args:
        name: id of an environment that is registered with twin-envs, or the short name of one of ours.
        num_envs: how many.
        options: `device`, `max_episode_steps`, and those of the environment.

    Raises:
        ConfigurationError: no such environment, or an option is unknown or outside its range.
        SiteError: the site is missing or damaged.
    """
    return TaskTensorEnv(num_envs, task=specification(name).task, **options)


_WHOLE = frozenset((torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8))
_REAL = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))


@dataclass(frozen=True)
class _Actions:
    """The actions [B, ...] of a batch.

    Attributes:
        kinds: the types of number that they may have.
        least, most: [...] of one environment, of the type that tasks take.
    """

    kinds: frozenset[torch.dtype]
    least: torch.Tensor
    most: torch.Tensor

    def cast(self, actions: torch.Tensor) -> torch.Tensor | None:
        """The same as tasks take them; None where one is not in the space."""
        if actions.dtype not in self.kinds or actions.layout != torch.strided:
            return None
        cast = actions.detach().to(self.least.device, self.least.dtype)
        return cast if ((cast >= self.least) & (cast <= self.most)).all() else None


def _actions_of(space: gymnasium.Space[Any], device: torch.device) -> _Actions:
    """Raises `ConfigurationError` if the space is neither `Discrete`, `MultiDiscrete` nor `Box`."""
    if isinstance(space, spaces.Discrete):
        return _Actions(_WHOLE, *_ends(space.start, space.start + space.n - 1, space.dtype, device))
    if isinstance(space, spaces.MultiDiscrete):
        return _Actions(_WHOLE, *_ends(space.start, space.start + space.nvec - 1, space.dtype, device))
    if isinstance(space, spaces.Box):
        return _Actions(_WHOLE | _REAL, *_ends(space.low, space.high, space.dtype, device))
    raise ConfigurationError(f"the action space must be Discrete, MultiDiscrete or Box, got {space}")


def _ends(low: Any, high: Any, dtype: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.as_tensor(np.asarray(low, dtype), device=device),
        torch.as_tensor(np.asarray(high, dtype), device=device),
    )


def _ordinary(info: Tensors) -> Tensors:
    """The same outside of inference mode, so that it may take part in training."""
    return {name: values.clone() for name, values in info.items()}
