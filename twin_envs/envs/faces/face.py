"""What the faces of a task share: making it, and what can be read of it."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch

from twin_envs.base.device import choose_device
from twin_envs.base.errors import check_choice
from twin_envs.base.settings import computing
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.core.plain import PlainSpec, plain
from twin_envs.envs.core.task import Task
from twin_envs.envs.faces.making import make_task
from twin_envs.envs.rendering.renderer import Renderer

Array = np.ndarray[Any, Any]
KEY_LIMIT = 2**62
"""Keys of random streams are below."""


class Face(PlainSpec):
    """A task as Gymnasium meets it, whatever the number of environments.

    Attributes:
        task_type: the task of a face that has one of its own; None for the general faces, which are given a path.
        task: the decision problem.
        render_mode: how it is shown; None for not at all.
    """

    task_type: ClassVar[type[Task] | None] = None
    metadata: dict[str, Any]
    task: Task
    render_mode: str | None

    def _make(
        self, path: str | None, options: dict[str, Any], num_envs: int, device: str | torch.device, mode: str | None
    ) -> None:
        """Make the task and, with a render mode, what draws each of its environments."""
        self.render_mode = mode = plain(mode)
        check_choice("render_mode", mode, (None, *self.metadata["render_modes"]))
        with computing(num_envs):
            self.task = make_task(self.task_type, path, options, num_envs, choose_device(device))
            self._renderers = [Renderer(self.task, row, mode) for row in range(num_envs)] if mode else []

    @property
    def core(self) -> Core:
        """The physics, privileged."""
        return self.task.core

    @property
    def network(self) -> NetworkView:
        """What the network knows; policies are attached to it."""
        return self.task.network

    @property
    def observation_layout(self) -> ObservationLayout:
        """Name, unit, range, slice and meaning of every number of an observation."""
        return self.task.layout


def draw_key(generator: np.random.Generator | None) -> int:
    """Key of the random stream of an episode."""
    if generator is None:
        raise gymnasium.error.ResetNeeded("call reset first")
    return int(generator.integers(KEY_LIMIT))
