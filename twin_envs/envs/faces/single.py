"""The face for one environment: a `gymnasium.Env` on a batch of one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import torch

from twin_envs.base.settings import computing
from twin_envs.envs.core.plain import whole
from twin_envs.envs.core.step import Step
from twin_envs.envs.faces.actions import checked_action
from twin_envs.envs.faces.face import Array, Face, draw_key
from twin_envs.envs.faces.infos import info_of_one
from twin_envs.envs.rendering.renderer import FRAMES_PER_SECOND, warn_without_mode


class TaskEnv(Face, gymnasium.Env[Any, Any]):
    """One episode at a time.

    Args:
        task: where the `Task` is, `"module:Class"`; faces of one task have it in `task_type`.
        device: `auto`, or a device of torch, such as `cpu` or `cuda:0`.
        render_mode: None, `rgb_array` (`render` gives a picture) or `human` (each step is shown in a window).
        options: fields of the task's configuration, and `scenario`, whose options come before them.

    Raises:
        UnknownOption: there is no such option; a `ConfigurationError`, too.
        ConfigurationError: an option is outside its range.
        SiteError: the site is missing or damaged.
        DependencyMissing: there is a `render_mode`, and the extra `render` is not installed.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": FRAMES_PER_SECOND}  # noqa: RUF012

    @computing(1)
    def __init__(
        self,
        *,
        task: str | None = None,
        device: str | torch.device = "auto",
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self._make(task, options, 1, device, render_mode)
        self._row = torch.zeros(1, dtype=torch.int64, device=self.core.device)
        self.action_space = deepcopy(self.task.action_space)  # each samples on its own
        self.observation_space = self.task.layout.space
        self._running = False

    @property
    @computing(1)
    def turn(self) -> int:
        """The UE that the next action is about."""
        return int(self.task.turn(self._row))

    @computing(1)
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin a new episode; `options` are ignored."""
        super().reset(seed=whole(seed))
        self._running = True
        self.core.reset(self._row, torch.tensor([draw_key(self.np_random)], device=self.core.device))
        for renderer in self._renderers:
            renderer.begin()
        return self.observe(self.turn)[0], self.reset_info()

    @computing(1)
    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One decision."""
        step, info = self.decide(action)
        return self.observe(self.turn)[0], float(step.reward), False, not self._running, info

    @computing(1)
    def decide(self, action: Any) -> tuple[Step, dict[str, Any]]:
        """One decision, before anybody observes: what came of it, and the same `info` as plain numbers."""
        action = checked_action(self.action_space, action)
        if not self._running:
            raise gymnasium.error.ResetNeeded("call reset before step")
        step = self.task.step(self._row, torch.as_tensor(action[None], device=self.core.device))
        for renderer in self._renderers:
            renderer.look()
        self._running = not bool(step.truncated)
        return step, info_of_one(step.info)

    def reset_info(self) -> dict[str, Any]:
        """The `info` of a reset: that of a step in which nothing has happened; a new one at every call."""
        with torch.inference_mode():
            return info_of_one(self.task.reset_info(self._row))

    @computing(1)
    def observe(self, *ues: int) -> Array:
        """Observations about UEs, float32 [len(ues), D]."""
        ue = torch.tensor(ues, device=self.core.device)
        return self.task.observe(self._row.expand(len(ues)), ue).cpu().numpy()

    def render(self) -> Array | None:  # type: ignore[override]
        """The present picture, uint8 [H, W, 3], if `render_mode` is `rgb_array`; `human` shows its pictures itself."""
        if not self._renderers:
            warn_without_mode()
            return None
        return self._renderers[0].frame() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one."""
        for renderer in self._renderers:
            renderer.close()
