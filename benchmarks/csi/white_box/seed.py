"""The frame of the white-box studies: networks of one seed, each trained once and what became of it kept."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch

from twin_envs.base.progress import TellProgress
from twin_envs.benchmarks.csi.runs import Run, Tensors
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, Sizes
from twin_envs.benchmarks.csi.white_box.training import Schedule, split, train

Record = dict[str, Any]
"""What became of a network: its scores, the step `stopped_at` at which it was kept, and the `seconds` that it took."""


class SeedOfStudy(ABC):
    """All networks of one seed.

    Args:
        schedule: of every training.
        pieces: how many there will be.
        sizes: of the networks.
        seed: of weights, batches, and what else is drawn.
        run: where finished pieces are.
        report: told what is being done.
        share: from which share of the study to which this seed goes.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        pieces: int,
        sizes: Sizes,
        seed: int,
        run: Run,
        report: TellProgress,
        share: tuple[float, float],
    ) -> None:
        self._schedule, self._pieces, self._sizes, self._seed = schedule, pieces, sizes, seed
        self._run, self._report, self._share = run, report, share
        self._done = 0

    @abstractmethod
    def _scores(self, net: Autoencoder) -> Record:
        """How far a network is off in reality."""

    def _piece(self, name: str, make: Callable[[], Record]) -> Record:
        first, last = self._share
        self._report(f"seed {self._seed}", first + (last - first) * self._done / self._pieces, name)
        self._done += 1
        return self._run.piece(f"seed-{self._seed}/{name}", make)

    def _tensors(self, name: str, make: Callable[[], Tensors]) -> Tensors:
        return self._run.tensors(f"seed-{self._seed}/{name}", make)

    def _network(self, name: str, pictures: Callable[[], torch.Tensor], device: torch.device) -> Autoencoder:
        """The network that was trained on these pictures alone."""
        net = Autoencoder(self._sizes, self._seed).to(device)
        net.load_state_dict(self._tensors(name, lambda: dict(self._trained(pictures())[0].state_dict())))
        return net

    def _trained(self, pictures: torch.Tensor) -> tuple[Autoencoder, int]:
        """A new network after training, and the step that it was kept at."""
        net = Autoencoder(self._sizes, self._seed).to(pictures.device)
        net.start_from(split(pictures)[0])
        return net, self._tuned(net, pictures)

    def _tuned(self, net: Autoencoder, pictures: torch.Tensor, rehearsed: torch.Tensor | None = None) -> int:
        return train(net, pictures, schedule=self._schedule, seed=self._seed, rehearsed=rehearsed)

    def _from_start(self, pictures: torch.Tensor) -> Record:
        start_s = time.perf_counter()
        return self._scored(*self._trained(pictures), start_s)

    def _scored(self, net: Autoencoder, stopped_at: int, start_s: float) -> Record:
        seconds = time.perf_counter() - start_s
        return {**self._scores(net), "stopped_at": stopped_at, "seconds": seconds}
