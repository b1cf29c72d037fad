"""The natural face of the core: a native `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.base.settings import computing
from twin_envs.envs.core.plain import plain, whole
from twin_envs.envs.core.step import Step
from twin_envs.envs.faces.actions import checked_action
from twin_envs.envs.faces.face import Array, Face
from twin_envs.envs.faces.infos import add_infos
from twin_envs.envs.faces.seeds import BatchSeeds, Seed
from twin_envs.envs.rendering.renderer import FRAMES_PER_SECOND, warn_without_mode


class TaskVectorEnv(Face, VectorEnv[Any, Any, Any]):
    """B episodes in one batch.

    Args:
        num_envs: B.
        task: where the `Task` is, `"module:Class"`; faces of one task have it in `task_type`.
        autoreset_mode: `NextStep`, `SameStep` or `Disabled`, as in Gymnasium, or the `AutoresetMode` itself.
        device: `auto`, or a device of torch, such as `cpu` or `cuda:0`.
        render_mode: None, or `rgb_array`: `render` gives a picture of each environment.
        max_episode_steps: an episode is truncated after so many steps, if not by `episode_slots` before; None or -1 for
            no such limit. Gymnasium hands it over from the environment's specification.
        options: fields of the task's configuration, and `scenario`, whose options come before them.

    Raises:
        UnknownOption: there is no such option; a `ConfigurationError`, too.
        ConfigurationError: an option is outside its range.
        SiteError: the site is missing or damaged.
        DependencyMissing: there is a `render_mode`, and the extra `render` is not installed.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": FRAMES_PER_SECOND,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        device: str | torch.device = "auto",
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        num_envs, max_episode_steps = whole(num_envs), whole(max_episode_steps)
        name = plain(autoreset_mode)
        modes = {mode.value: mode for mode in AutoresetMode}
        check_choice("autoreset_mode", name, modes)
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        if max_episode_steps not in (None, -1):
            check_number("max_episode_steps", max_episode_steps, 1, integer=True)
        self._most_steps = math.inf if max_episode_steps in (None, -1) else max_episode_steps
        self.autoreset_mode = modes[name]
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs = num_envs
        self._make(task, options, num_envs, device, render_mode)
        self.single_action_space = deepcopy(self.task.action_space)
        self.single_observation_space = self.task.layout.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._seeds = BatchSeeds(num_envs)
        self._over, self._steps = np.ones(num_envs, dtype=bool), np.zeros(num_envs, dtype=np.int64)
        self._observation = np.zeros(self.observation_space.shape or (), np.float32)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator | None, ...]:  # type: ignore[override]
        """Generator of each environment, None before its first reset."""
        return tuple(self._seeds.generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """Seed that each environment's generator began with, None before its first reset."""
        return tuple(self._seeds.seeds)

    def reset(self, *, seed: Seed = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin new episodes; an integer seed s gives environment i the seed s + i, a list is taken as it is.

        `options={"reset_mask": bool [B]}` begins them in some environments only.
        """
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs)), dtype=bool)
        if mask.shape != (self.num_envs,):
            raise ConfigurationError(f"reset_mask must be of shape ({self.num_envs},), got {mask.shape}")
        self._seeds.sow(seed, np.flatnonzero(mask))
        infos: dict[str, Any] = {}
        self._begin(mask, infos)
        return self._observation.copy(), infos

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One decision in every environment."""
        actions = checked_action(self.action_space, actions, "actions")
        acting = ~self._over
        if not acting.all() and self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            raise gymnasium.error.ResetNeeded("call reset before stepping environments whose episode is over")
        if not self._seeds.complete:
            raise gymnasium.error.ResetNeeded("call reset before the first step")
        rewards = np.zeros(self.num_envs, np.float64)
        truncated = np.zeros(self.num_envs, dtype=bool)
        infos: dict[str, Any] = {}
        if acting.any():
            step, told = self._act(acting, actions[acting])
            self._steps[acting] += 1
            rewards[acting], truncated[acting] = step.reward.cpu().numpy(), step.truncated.cpu().numpy()
            truncated |= acting & (self._steps >= self._most_steps)
            self._tell(infos, acting, truncated, told)
        resetting = truncated if self.autoreset_mode is AutoresetMode.SAME_STEP else ~acting
        self._over = truncated.copy()
        if resetting.any():
            self._begin(resetting, infos)
        return self._observation.copy(), rewards, np.zeros(self.num_envs, dtype=bool), truncated, infos

    def render(self) -> tuple[Array | None, ...]:  # type: ignore[override]
        """The present picture of each environment, uint8 [H, W, 3]."""
        if not self._renderers:
            warn_without_mode()
            return (None,) * self.num_envs
        return tuple(renderer.frame() for renderer in self._renderers)

    def _act(self, acting: Array, actions: Array) -> tuple[Step, dict[str, torch.Tensor]]:
        with computing(self.num_envs):
            rows = self._rows(acting)
            step = self.task.step(rows, torch.from_numpy(actions).to(self.core.device))
            self._observe(acting, rows)
            if self._renderers:
                for index in np.flatnonzero(acting):
                    self._renderers[index].look()
            return step, step.info

    def _begin(self, mask: Array, infos: dict[str, Any]) -> None:
        keys = self._seeds.keys(np.flatnonzero(mask))
        with computing(self.num_envs):
            rows = self._rows(mask)
            self.core.reset(rows, torch.tensor(keys, device=self.core.device))
            self._observe(mask, rows)
            add_infos(infos, mask, self.task.reset_info(rows))
            if self._renderers:
                for index in np.flatnonzero(mask):
                    self._renderers[index].begin()
        self._over[mask], self._steps[mask] = False, 0

    def _observe(self, mask: Array, rows: torch.Tensor) -> None:
        self._observation[mask] = self.task.observe(rows, self.task.turn(rows)).cpu().numpy()

    def _tell(self, infos: dict[str, Any], acting: Array, truncated: Array, told: dict[str, torch.Tensor]) -> None:
        """Add to `infos` what came of a step; of episodes that end and begin anew at once, as what was final."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP or not truncated.any():
            return add_infos(infos, acting, told)
        over = torch.from_numpy(truncated[acting]).to(self.core.device)
        add_infos(infos, acting & ~truncated, {key: values[~over] for key, values in told.items()})
        infos["final_obs"] = np.full(self.num_envs, None, dtype=object)
        for index in np.flatnonzero(truncated):
            infos["final_obs"][index] = self._observation[index].copy()
        infos["final_info"] = {}
        add_infos(infos["final_info"], truncated, {key: values[over] for key, values in told.items()})
        infos["_final_obs"], infos["_final_info"] = truncated.copy(), truncated.copy()

    def _rows(self, mask: Array) -> torch.Tensor:
        return torch.from_numpy(np.flatnonzero(mask)).to(self.core.device)
