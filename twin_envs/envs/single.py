"""The face for one environment: a `gymnasium.Env` on a batch of one."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch

from twin_envs.envs.cell import Cell
from twin_envs.envs.configuration import parse_options
from twin_envs.envs.device import choose_device
from twin_envs.envs.observation import ObservationLayout
from twin_envs.envs.task import Task
from twin_envs.envs.vector import draw_key, information
from twin_envs.errors import check_choice

Array = np.ndarray[Any, Any]


class CellEnv(gymnasium.Env[Any, Any]):
    """One cell.

    Args:
        device: `auto`, `cpu` or `cuda`.
        render_mode: only None.
        options: see `twin_envs.envs.configuration.CellConfig`.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
        SiteError: the site is missing or damaged.
    """

    task: ClassVar[type[Task]]
    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, *, device: str = "auto", render_mode: str | None = None, **options: Any) -> None:
        check_choice("render_mode", render_mode, (None,))
        self.render_mode = render_mode
        with torch.inference_mode():
            self.cell = Cell(parse_options(options), 1, choose_device(device))
        self._row = torch.zeros(1, dtype=torch.int64, device=self.cell.device)
        self.action_space = self.task.action_space
        self.observation_space = self.task.layout.space
        self._running = False

    @property
    def observation_layout(self) -> ObservationLayout:
        """Name, unit, range and slice of every number of an observation."""
        return self.task.layout

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin a new episode; `options` are ignored."""
        super().reset(seed=seed)
        self._running = True
        with torch.inference_mode():
            self.cell.reset(self._row, torch.tensor([draw_key(self.np_random)], device=self.cell.device))
            return self._observe(), {}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One report."""
        if not self.action_space.contains(action):
            raise gymnasium.error.InvalidAction(f"action must be in {self.action_space}, got {action!r}")
        if not self._running:
            raise gymnasium.error.ResetNeeded("call reset before step")
        with torch.inference_mode():
            actions = torch.as_tensor(np.asarray(action, dtype=np.int64)[None], device=self.cell.device)
            outcome = self.cell.step(self._row, self.task.decide(self.cell, actions))
            terms = information(outcome, self.cell.known.reporter)
            truncated = bool(outcome.truncated)
            self._running = not truncated
            info = {key: value.item() for key, value in terms.items()}
            return self._observe(), float(outcome.reward), False, truncated, info

    def _observe(self) -> Array:
        return self.task.observe(self.cell, self._row)[0].cpu().numpy()
