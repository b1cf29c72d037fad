"""The networks of one seed: each trained on data of one kind, and scored in reality."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch

from twin_envs.base.progress import TellProgress
from twin_envs.benchmarks.csi.runs import Run, Tensors
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, Sizes, errors, nmse_db
from twin_envs.benchmarks.csi.white_box.samples import Counts, Data
from twin_envs.benchmarks.csi.white_box.selection import RULES
from twin_envs.benchmarks.csi.white_box.training import Schedule, split, train

STREETS = ("held_out", "seen")
"""What networks are scored on: streets that no sample is from, and new places on those that samples are from."""
GENERIC, TWIN, REAL = "generic", "twin", "real"
_HARDEST = 100


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How a network that was trained on the twin goes on.

    Args:
        rule: which real samples it sees, one of `RULES`.
        rehearsal: whether samples of the twin are half of every batch.
    """

    rule: str
    rehearsal: bool


FINE_TUNED = {
    "random": FineTuning(rule="random", rehearsal=False),
    "worst": FineTuning(rule="worst", rehearsal=False),
    "random, rehearsal": FineTuning(rule="random", rehearsal=True),
    "worst, rehearsal": FineTuning(rule="worst", rehearsal=True),
    "farthest, rehearsal": FineTuning(rule="farthest", rehearsal=True),
    "missing, rehearsal": FineTuning(rule="missing", rehearsal=True),
}
"""By arm."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the study is.

    Args:
        samples: numbers N of samples to train on.
        seeds: how often everything is drawn and trained anew.
        counts: how many pictures are drawn.
        schedule: of every training.
    """

    samples: tuple[int, ...] = (10, 40, 160, 640, 2560, 5120)
    seeds: int = 3
    counts: Counts = field(default_factory=Counts)
    schedule: Schedule = field(default_factory=Schedule)


class SeedOfStudy:
    """All networks of one seed, each trained once and its scores kept.

    Args:
        plan: how large the study is.
        draw: draws the data of this seed.
        sizes: of the networks.
        seed: of weights, batches and choices.
        run: where finished pieces are.
        report: told what is being done.
        share: from which share of the study to which this seed goes.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        draw: Callable[[], Data],
        sizes: Sizes,
        seed: int,
        run: Run,
        report: TellProgress,
        share: tuple[float, float],
    ) -> None:
        self._plan, self._draw, self._sizes, self._seed = plan, draw, sizes, seed
        self._run, self._report, self._share = run, report, share
        self._done = 0

    def records(self) -> dict[str, list[dict[str, float]]]:
        """By arm, what became of each number of samples: error by `STREETS` [dB], `stopped_at`, `seconds`."""
        makers: dict[str, Callable[[int], dict[str, float]]] = {
            TWIN: lambda n: self._from_start(self._data.twin[:n]),
            REAL: lambda n: self._from_start(self._data.real[:n]),
            **{arm: partial(self._fine_tuned, how) for arm, how in FINE_TUNED.items()},
        }
        generic = self._piece(GENERIC, lambda: self._from_start(self._data.generic))
        return {
            GENERIC: [generic] * len(self._plan.samples),
            **{
                arm: [self._piece(f"{arm.replace(', ', '-')}-{n}", partial(make, n)) for n in self._plan.samples]
                for arm, make in makers.items()
            },
        }

    def correlation(self) -> dict[str, float]:
        """Of real samples with the twin's sample that is most like each: quantiles, and the median of the hardest."""
        return self._piece("correlation", self._correlation)

    def _piece(self, name: str, make: Callable[[], dict[str, float]]) -> dict[str, float]:
        first, last = self._share
        pieces = 2 + (2 + len(FINE_TUNED)) * len(self._plan.samples)
        self._report(f"seed {self._seed}", first + (last - first) * self._done / pieces, name)
        self._done += 1
        return self._run.piece(f"seed-{self._seed}/{name}", make)

    @cached_property
    def _data(self) -> Data:
        return self._draw()

    @cached_property
    def _of_the_twin(self) -> Autoencoder:
        """The network that was trained on all samples of the twin."""

        def make() -> Tensors:
            return self._trained(self._new(self._data.twin), self._data.twin)[0].state_dict()

        net = Autoencoder(self._sizes, self._seed).to(self._data.twin.device)
        net.load_state_dict(self._run.tensors(f"seed-{self._seed}/of-the-twin", make))
        return net

    def _order(self, rule: str) -> torch.Tensor:
        """The real samples that a rule chooses, the first chosen first; fewer are the first of more."""

        most = max(self._plan.samples)

        def make() -> Tensors:
            data = self._data
            return {"index": RULES[rule](data.real, data.twin, self._of_the_twin, most, self._generator())}

        index = self._run.tensors(f"seed-{self._seed}/chosen-{rule}-{most}", make)["index"]
        return index.to(self._data.real.device)

    def _generator(self) -> torch.Generator:
        return torch.Generator(self._data.real.device).manual_seed(self._seed)

    def _new(self, pictures: torch.Tensor) -> Autoencoder:
        net = Autoencoder(self._sizes, self._seed).to(pictures.device)
        net.start_from(split(pictures)[0])
        return net

    def _trained(
        self, net: Autoencoder, pictures: torch.Tensor, rehearsed: torch.Tensor | None = None
    ) -> tuple[Autoencoder, int]:
        return net, train(net, pictures, schedule=self._plan.schedule, seed=self._seed, rehearsed=rehearsed)

    def _from_start(self, pictures: torch.Tensor) -> dict[str, float]:
        start_s = time.perf_counter()
        return self._scored(*self._trained(self._new(pictures), pictures), start_s)

    def _fine_tuned(self, how: FineTuning, samples: int) -> dict[str, float]:
        chosen = self._data.real[self._order(how.rule)[:samples]]
        mixed = torch.randperm(samples, generator=self._generator(), device=chosen.device)  # for those kept aside
        net, rehearsed = copy.deepcopy(self._of_the_twin), self._data.twin if how.rehearsal else None
        start_s = time.perf_counter()
        return self._scored(*self._trained(net, chosen[mixed], rehearsed), start_s)

    def _scored(self, net: Autoencoder, stopped_at: int, start_s: float) -> dict[str, float]:
        seconds = time.perf_counter() - start_s
        scores = {streets: nmse_db(net, getattr(self._data, streets)) for streets in STREETS}
        return {**scores, "stopped_at": stopped_at, "seconds": seconds}

    def _correlation(self) -> dict[str, float]:
        def nearest(real: torch.Tensor) -> torch.Tensor:
            others = _complex(self._data.twin).mH
            return torch.cat([(_complex(some) @ others).abs().amax(1) for some in real.split(256)])

        found = nearest(self._data.seen)
        hardest = errors(self._of_the_twin, self._data.real).argsort(descending=True)[:_HARDEST]
        return {
            **{f"{share:.0%}": float(found.quantile(share)) for share in (0.05, 0.5, 0.95)},
            "hardest": float(nearest(self._data.real[hardest]).median()),
        }


def _complex(pictures: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(pictures.unflatten(1, (-1, 2)).contiguous())
