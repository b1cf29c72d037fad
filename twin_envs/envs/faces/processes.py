"""The batch on several processors: a part of its environments in each of several processes.

A step consists of thousands of small operations, one after the other, so one process keeps one processor busy. The
environments of a batch have nothing to do with each other, so others may compute a part of them each.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from twin_envs.base.errors import ConfigurationError, TwinEnvsError, check_choice, check_number
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.envs.core.plain import plain, whole
from twin_envs.envs.faces.actions import checked_action
from twin_envs.envs.faces.infos import Array, join_infos
from twin_envs.envs.faces.seeds import Seed, seed_of_each
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import specification


class ProcessVectorEnv(VectorEnv[Any, Any, Any]):
    """B episodes in one batch that several processes compute, each a part of it, on CPUs.

    Spaces, seeds, observations, rewards and infos are those of `TaskVectorEnv`, but for the last digits of numbers,
    which depend on how many are computed together. What policies are attached to is in the other processes, so there is
    neither `network` nor `core`: this is for agents that see observations. Each process has the site in memory. A
    script that makes such a batch needs `if __name__ == "__main__":`, as always where Python starts processes. What it
    registers must be registered above that line, or be an entry point: the processes read the script that far.

    Args:
        task: where the `Task` is, `"module:Class"`.
        num_envs: B, at least one for each process.
        processes: how many; None for one for each processor that this process may use, as far as B goes.
        autoreset_mode: as for `TaskVectorEnv`.
        device: `cpu`; `auto` is the same here.
        render_mode: as for `TaskVectorEnv`.
        max_episode_steps: as for `TaskVectorEnv`.
        options: fields of the task's configuration, and `scenario`.

    Attributes:
        observation_layout: name, unit, range, slice and meaning of every number of an observation.
        processes: how many there are.

    Raises:
        UnknownOption: there is no such option; a `ConfigurationError`, too.
        ConfigurationError: an option is outside its range.
        SiteError: the site is missing or damaged.
    """

    metadata: dict[str, Any] = TaskVectorEnv.metadata
    observation_layout: ObservationLayout

    def __init__(
        self,
        task: str,
        num_envs: int,
        *,
        processes: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        device: str = "cpu",
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        num_envs, processes = whole(num_envs), whole(processes)
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        if processes is None:
            processes = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, num_envs)
        check_number("processes", processes, 1, num_envs, integer=True)
        check_choice("device", plain(device), ("auto", "cpu"))
        how: dict[str, Any] = {"task": task, "autoreset_mode": autoreset_mode, "max_episode_steps": max_episode_steps}
        how |= {"render_mode": render_mode, "device": "cpu", **options}
        one = TaskVectorEnv(1, **how)  # refuses what is wrong before any process begins
        self.num_envs, self.processes, self.render_mode = num_envs, processes, one.render_mode
        self.autoreset_mode, self.metadata = one.autoreset_mode, one.metadata
        self.observation_layout = one.observation_layout
        self.single_action_space, self.single_observation_space = one.single_action_space, one.single_observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        one.close()
        ends = [num_envs * part // processes for part in range(processes + 1)]
        self._begun, self._over = np.zeros(num_envs, bool), np.zeros(num_envs, bool)
        self._parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
        self._workers = [_Worker(part.stop - part.start, how) for part in self._parts]
        self._end = weakref.finalize(self, _end, self._workers)
        try:
            self._gather()
        except BaseException:
            self._end()
            raise

    def reset(self, *, seed: Seed = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """As that of `TaskVectorEnv`."""
        seeds = seed_of_each(seed, self.num_envs)
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs)), dtype=bool)
        if mask.shape != (self.num_envs,):
            raise ConfigurationError(f"reset_mask must be of shape ({self.num_envs},), got {mask.shape}")
        self._begun |= mask
        self._over &= ~mask
        each = [{"seed": seeds[part], "options": {"reset_mask": mask[part]}} for part in self._parts]
        observations, infos = zip(*self._ask("reset", each), strict=True)
        return np.concatenate(observations), self._joined(infos)

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One decision in every environment."""
        actions = checked_action(self.action_space, actions, "actions")
        if not self._begun.all():
            raise gymnasium.error.ResetNeeded("call reset before the first step")
        if self._over.any():
            raise gymnasium.error.ResetNeeded("call reset before stepping environments whose episode is over")
        *arrays, infos = zip(*self._ask("step", [{"actions": actions[part]} for part in self._parts]), strict=True)
        observations, rewards, terminated, truncated = (np.concatenate(parts) for parts in arrays)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._over = truncated.copy()
        return observations, rewards, terminated, truncated, self._joined(infos)

    def render(self) -> tuple[Array | None, ...]:  # type: ignore[override]
        """The present picture of each environment, uint8 [H, W, 3]."""
        return tuple(frame for frames in self._ask("render", [{}] * self.processes) for frame in frames)

    def close_extras(self, **_: Any) -> None:
        """End the processes."""
        self._end()

    def _joined(self, infos: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        return join_infos(infos, [part.stop - part.start for part in self._parts])

    def _ask(self, name: str, arguments: list[dict[str, Any]]) -> list[Any]:
        """What the method `name` of all parts returns, each with its own arguments."""
        if self.closed:
            raise gymnasium.error.ClosedEnvironmentError(f"call {name} before close, not thereafter")
        try:
            for worker, own in zip(self._workers, arguments, strict=True):
                worker.ask(name, own)
            return self._gather()
        except (gymnasium.error.Error, ConfigurationError):  # a part has refused, and goes on
            raise
        except BaseException:  # half a step is none
            self.close()
            raise

    def _gather(self) -> list[Any]:
        """The answers of all parts. Where one failed, its error is raised when all have answered."""
        answers = [worker.answer() for worker in self._workers]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def process_envs(name: str, num_envs: int, processes: int | None = None, **options: Any) -> ProcessVectorEnv:
    """A batch of environments on several processors.

    Args:
        name: id of an environment that is registered with twin-envs, or the short name of one of ours.
        num_envs: how many.
        processes: how many processes share them; None for one for each processor.
        options: `autoreset_mode`, `render_mode`, `max_episode_steps`, and those of the environment.

    Raises:
        ConfigurationError: no such environment, or an option is unknown or outside its range.
        SiteError: the site is missing or damaged.
    """
    return ProcessVectorEnv(specification(name).task, num_envs, processes=processes, **options)


class _Worker:
    """A process with a part of a batch.

    Args:
        num_envs: of the part.
        how: the other arguments of its `TaskVectorEnv`.
    """

    def __init__(self, num_envs: int, how: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")  # a copy of this process would lack its threads
        self._connection, far = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(far, num_envs, how), daemon=True)
        self.process.start()
        far.close()

    def ask(self, name: str, arguments: dict[str, Any]) -> None:
        """Let the part's batch call its method `name`. Raises `TwinEnvsError` if the process is gone."""
        with self._there():
            self._connection.send((name, arguments))

    def answer(self) -> Any:
        """What the method returned, or the exception that it raised. Raises `TwinEnvsError` if the process is gone."""
        with self._there():
            return self._connection.recv()

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self.process.join()
            raise TwinEnvsError(f"a process of the batch has ended with exit code {self.process.exitcode}") from None

    def end(self) -> None:
        """End the process, which has nothing to lose."""
        self._connection.close()
        self.process.kill()
        self.process.join()


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.end()


def _work(connection: Connection, num_envs: int, how: dict[str, Any]) -> None:
    """What a process does: make its part of the batch, then call methods of it until nobody asks any more."""
    torch.set_num_threads(1)
    made: list[TaskVectorEnv] = []
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        connection.send(_answer(lambda: made.append(TaskVectorEnv(num_envs, **how))))
        while True:
            name, arguments = connection.recv()
            connection.send(_answer(lambda: getattr(made[0], name)(**arguments)))  # noqa: B023


def _answer(work: Callable[[], Any]) -> Any:
    """What `work` returns, or the exception that it raises: as words where it is no refusal of ours or Gymnasium's."""
    try:
        return work()
    except (gymnasium.error.Error, ConfigurationError) as error:
        return error
    except Exception:
        return TwinEnvsError(traceback.format_exc())
