"""How a face comes by its task: one of ours, or the user's own, which is tried before anybody relies on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.registry import load_object
from twin_envs.envs.core.configuration import parse_options
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task


def make_task(
    own: type[Task] | None, path: str | None, options: dict[str, Any], num_envs: int, device: torch.device
) -> Task:
    """The task of a face.

    Args:
        own: the task that the face's class has.
        path: where the user's is, `"module:Class"`.
        options: fields of its configuration.
        num_envs: B.
        device: where everything is computed.

    Raises:
        ConfigurationError: there is no task, the path leads to none, an option is unknown or outside its range, or
            what the task gives has another shape than it says.
        SiteError: the site is missing or damaged.
    """
    if path is None:
        if own is None:
            raise ConfigurationError("task must be 'module:Class', such as 'my_package:MyTask', got None")
        return _make(own, options, num_envs, device)
    kind = load_object("task", path)
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise ConfigurationError(f"task {path!r} must be a subclass of twin_envs.Task, got {kind!r}")
    task = _make(kind, options, num_envs, device)
    _try(task, path)
    return task


def _make(kind: type[Task], options: dict[str, Any], num_envs: int, device: torch.device) -> Task:
    build: Callable[[Any, int, torch.device], Task] = kind  # a task is made from these, whatever `Task` itself is
    return build(parse_options(kind.options, options), num_envs, device)


def _try(task: Task, path: str) -> None:
    """Play one decision of environment 0, and hold what comes of it against what the task says."""
    row, num_ue = torch.zeros(1, dtype=torch.int64, device=task.core.device), task.core.config.num_ue
    _expect(path, "core.network", "a NetworkView", task.core.network, isinstance(task.core.network, NetworkView))
    task.core.reset(row, torch.zeros_like(row))
    _check_tensor(path, "turn", task.turn(row), (1,))
    _check_observation(task, path, row)
    space = deepcopy(task.action_space)
    space.seed(0)
    action = torch.as_tensor(np.asarray(space.sample())[None], device=task.core.device)
    step = task.step(row, action)
    _expect(path, "step", "a Step", step, isinstance(step, Step))
    _check_tensor(path, "step().delivered_by_ue", step.delivered_by_ue, (1, num_ue))
    for name in ("elapsed_slots", "truncated", "ue"):
        _check_tensor(path, f"step().{name}", getattr(step, name), (1,))
    _check_info(task, path, step.info)
    _check_observation(task, path, row)


def _check_observation(task: Task, path: str, row: torch.Tensor) -> None:
    observation = task.observe(row, task.turn(row))
    _check_tensor(path, "observe()", observation, (1, task.layout.size))
    finite = bool(torch.isfinite(observation).all())
    _expect(path, "observe()", "finite numbers", observation, finite)


def _check_info(task: Task, path: str, info: Mapping[str, torch.Tensor]) -> None:
    missing = sorted(set(task.terms) - set(info))
    _expect(path, "step().info", f"{', '.join(task.terms)} as `terms` says", ", ".join(info), not missing)


def _check_tensor(path: str, what: str, value: Any, shape: tuple[int, ...]) -> None:
    fits = isinstance(value, torch.Tensor) and tuple(value.shape) == shape
    found = f"{list(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
    _expect(path, f"{what} for one environment", f"a tensor of shape {list(shape)}", found, fits)


def _expect(path: str, what: str, expected: str, got: Any, fits: bool) -> None:
    if not fits:
        raise ConfigurationError(f"task {path!r}: {what} must be {expected}, got {got}")
