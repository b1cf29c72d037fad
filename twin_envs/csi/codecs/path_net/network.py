"""The network that says where the next path of a report is: how probable near each other path, and how near.

A perceptron of two layers looks at each path that was told and, another one, at each that was named before. It says how
probable it is that the next path is near that one, for each of `WIDTHS` kinds of nearness. What these are in delay and
in either direction is learnt with it, in steps that are in proportion to the resolution of array and bandwidth. So it
fits any site. There are so few circumstances that all are answered once, before any report is made.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import nn

from twin_envs.csi.codecs.path_net.circumstances import ANYWHERE, NAMED, TOLD
from twin_envs.csi.codecs.path_net.formats import FORMATS, LARGEST_FALL, STEPS

WIDTHS = (1.0, 3.0, 10.0, 40.0)
"""How far kinds of nearness reach in the beginning [fine steps]."""
_HIDDEN = 32
_ALONE, _LONGEST = 24, 34
"""Offsets that are told apart one by one; beyond, half an octave is one."""
_FARTHEST = 12.0
MOST_PATHS = max(said.paths for said in FORMATS)


class PriorNetwork(nn.Module):
    """The network. All that it says are logarithms.

    Args:
        seed: of the weights in the beginning.

    Attributes:
        falls: by format and path but the first, how frequent it is that it is 0, 1, ... steps weaker than the one
            before, int32 [FORMATS, paths, falls].
    """

    falls: torch.Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.of_told, self.of_named = (_perceptron(sum(sizes), generator) for sizes in (TOLD, NAMED))
        self.of_anywhere = nn.Parameter(torch.zeros(ANYWHERE))
        offset = torch.arange(_LONGEST, dtype=torch.float32)
        reach = torch.where(offset < _ALONE, offset, _ALONE * 2 ** ((offset - _ALONE + 0.5) / 2))
        falls = -(reach / torch.tensor(WIDTHS)[:, None]).clamp_max(_FARTHEST)
        self.column, self.row, self.delay = (
            nn.Parameter(falls.repeat(2, signs, 1, 1)) for signs in (1, 1, 2)
        )  # [told or named, sign, kind of nearness, offset]
        self.any_delay = nn.Parameter(-0.1 * offset.repeat(2, 1))
        self.register_buffer("falls", torch.ones(len(FORMATS), MOST_PATHS, LARGEST_FALL + 1, dtype=torch.int32))

    def weights(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of all cases of told and named paths [cases, WIDTHS], and of paths anywhere [cases]."""
        told, named = (
            perceptron(_cases(sizes).to(self.any_delay))
            for perceptron, sizes in ((self.of_told, TOLD), (self.of_named, NAMED))
        )
        return told, named, self.of_anywhere.flatten()

    def kernels(self, sizes: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Probabilities of offsets from a path that is near in delay, row and column.

        Args:
            sizes: how many delays, row steps and column steps there are; all go round.

        Returns:
            For each [told or named, of STEPS, place of the path modulo the largest step, size (the offset), WIDTHS];
            their sum over the places that steps so large leave is 1.
        """
        result = []
        for table, size in zip((self.delay, self.row, self.column), sizes, strict=True):
            offset = torch.arange(size, device=table.device)
            signed = (offset + size // 2) % size - size // 2
            sign = (signed < 0).long() if table.shape[1] > 1 else torch.zeros_like(signed)
            line = table[:, sign, :, _bucket(signed.abs())].permute(1, 0, 2)  # [2, size, WIDTHS]
            by_step = []
            for step in STEPS:
                place = torch.arange(STEPS[-1], device=table.device)[:, None]
                there = ((place + offset) % size % step == 0)[None, :, :, None]
                kept = torch.where(there, line[:, None], -torch.inf)
                by_step.append(kept.log_softmax(2))
            result.append(torch.stack(by_step, 1))
        return result[0], result[1], result[2]

    def delays_anywhere(self, size: int, first: int) -> torch.Tensor:
        """Probabilities of delays, [STEPS, size], where the first path has the delay `first`: half of them even."""
        late = torch.arange(size, device=self.any_delay.device) - first
        line = self.any_delay[(late < 0).long(), _bucket(late.abs())]
        result = []
        for step in STEPS:
            there = torch.arange(size, device=line.device) % step == 0
            learnt = torch.where(there, line, -torch.inf).softmax(0)
            share = torch.where(there, 0.5 * learnt + 0.5 / there.sum(), 1.0)
            result.append(torch.where(there, share.log(), -torch.inf))
        return torch.stack(result)


def _perceptron(inputs: int, generator: torch.Generator) -> nn.Sequential:
    """Two layers, with weights from `generator`."""
    layers = nn.Linear(inputs, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, len(WIDTHS))
    for layer in layers[::2]:
        bound = 2.0 * layer.in_features**-0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def _cases(sizes: tuple[int, ...]) -> torch.Tensor:
    """All cases, a one for each of their parts: [product of sizes, sum of sizes]."""
    parts = torch.cartesian_prod(*(torch.arange(size) for size in sizes))
    starts = torch.tensor([0, *accumulate(sizes)][:-1])
    cases = torch.zeros(len(parts), sum(sizes))
    return cases.scatter_(1, parts + starts, 1.0)


def _bucket(offset: torch.Tensor) -> torch.Tensor:
    """Which number is learnt for offsets of 0 and more."""
    beyond = _ALONE + torch.floor(2 * torch.log2(offset.clamp_min(1).double() / _ALONE) + 1e-9).long()
    return torch.where(offset < _ALONE, offset, beyond).clamp_max(_LONGEST - 1)
