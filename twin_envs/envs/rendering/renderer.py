"""Pictures of an environment, for its faces: `rgb_array` gives them as arrays, `human` shows them in a window."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from twin_envs.base.errors import DependencyMissing
from twin_envs.base.settings import computing
from twin_envs.envs.core.task import Task

FRAMES_PER_SECOND = 10
"""Decisions shown per second."""


class Renderer:
    """Pictures of one environment of a task; each shows what happened since the episode's start.

    Args:
        task: what is shown.
        row: index of the environment.
        mode: `rgb_array` or `human`.

    Raises:
        DependencyMissing: the extra `render` is not installed.
    """

    @computing(1)
    def __init__(self, task: Task, row: int, mode: str) -> None:
        self.task, self.row = task, row
        self._picture = _needed("picture", mode).Picture(
            task.core.site,
            task.core.config.twin,
            title=type(task).__name__,
            episode_s=task.core.config.episode_slots * task.core.slot_s,
        )
        self._window = _needed("window", mode).Window(FRAMES_PER_SECOND) if mode == "human" else None

    def begin(self) -> None:
        """A new episode has begun."""
        self._picture.clear()
        self.look()

    @computing(1)
    def look(self) -> None:
        """Take in what has changed, and show it if there is a window."""
        self._picture.add(self.task.snapshot(self.row))
        if self._window is not None:
            self._window.show(self.frame(), self._picture.title)

    @computing(1)
    def frame(self) -> np.ndarray[Any, Any]:
        """The present picture, uint8 [H, W, 3]."""
        return self._picture.draw()

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()


def warn_without_mode() -> None:
    """Say that nothing can be rendered without a `render_mode`."""
    gymnasium.logger.warn(
        "render was called, but the environment was made without a render_mode; make it with one, such as "
        "gymnasium.make(..., render_mode='rgb_array')"
    )


def _needed(module: str, mode: str) -> ModuleType:
    try:
        return importlib.import_module(f"twin_envs.envs.rendering.{module}")
    except ImportError as error:
        message = f"render_mode {mode!r} needs {error.name}; in the checkout of twin-envs: pip install '.[render]'"
        raise DependencyMissing(message) from error
