"""The networks of one seed: each trained on data of one kind, and scored in reality."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch

from twin_envs.benchmarks.csi.runs import Tensors
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, errors, nmse_db
from twin_envs.benchmarks.csi.white_box.samples import Counts, Data
from twin_envs.benchmarks.csi.white_box.seed import Record, SeedOfStudy
from twin_envs.benchmarks.csi.white_box.selection import RULES
from twin_envs.benchmarks.csi.white_box.training import Schedule

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


class Arms(SeedOfStudy):
    """All networks of one seed.

    Args:
        plan: how large the study is.
        draw: draws the data of this seed.
        frame: see `SeedOfStudy`.
    """

    def __init__(self, plan: Plan, *, draw: Callable[[], Data], **frame: Any) -> None:
        super().__init__(schedule=plan.schedule, pieces=2 + (2 + len(FINE_TUNED)) * len(plan.samples), **frame)
        self._plan, self._draw = plan, draw

    def records(self) -> dict[str, list[Record]]:
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

    @cached_property
    def _data(self) -> Data:
        return self._draw()

    @cached_property
    def _of_the_twin(self) -> Autoencoder:
        """The network that was trained on all samples of the twin."""

        twin = self._data.twin
        return self._network("of-the-twin", lambda: twin, twin.device)

    def _order(self, rule: str) -> torch.Tensor:
        """The real samples that a rule chooses, the first chosen first; fewer are the first of more."""

        most = max(self._plan.samples)

        def make() -> Tensors:
            data = self._data
            return {"index": RULES[rule](data.real, data.twin, self._of_the_twin, most, self._generator())}

        index = self._tensors(f"chosen-{rule}-{most}", make)["index"]
        return index.to(self._data.real.device)

    def _generator(self) -> torch.Generator:
        return torch.Generator(self._data.real.device).manual_seed(self._seed)

    def _fine_tuned(self, how: FineTuning, samples: int) -> dict[str, float]:
        chosen = self._data.real[self._order(how.rule)[:samples]]
        mixed = torch.randperm(samples, generator=self._generator(), device=chosen.device)  # for those kept aside
        net, rehearsed = copy.deepcopy(self._of_the_twin), self._data.twin if how.rehearsal else None
        start_s = time.perf_counter()
        return self._scored(net, self._tuned(net, chosen[mixed], rehearsed), start_s)

    def _scores(self, net: Autoencoder) -> Record:
        return {streets: nmse_db(net, getattr(self._data, streets)) for streets in STREETS}

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
