"""How probable each place of a report's next path is, as whole frequencies that both ends compute alike.

What the network says is rounded to whole numbers once. From there on there are only sums and products of whole numbers
below 2^53, which doubles hold exactly.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.codecs.path_net.circumstances import Circumstances, circumstances
from twin_envs.csi.codecs.path_net.formats import STEPS
from twin_envs.csi.codecs.path_net.network import WIDTHS, PriorNetwork

_WEIGHTS, _COLUMNS, _ROWS, _DELAYS = 12, 10, 8, 9
"""The frequencies of these sum to 2 to this power; together they stay below 2^40, as the arithmetic code wants."""
_SUMS = (_DELAYS, _ROWS, _COLUMNS)
_LEAST_FIRST, _LEAST = 8, 32
"""One over so many is added to the weight of any place: for the first path, and for the others."""
_CLEAR = 16
"""Powers of 2 that weights reach up and down."""


class Prior(Constant):
    """The frequencies of all that the network can be asked.

    Args:
        network: the network.
        sizes: how many delays, row steps and column steps there are.
        first_delay: the delay of a path that is as long as the first one.
        device: where it computes.
    """

    def __init__(
        self, network: PriorNetwork, sizes: tuple[int, int, int], first_delay: int, device: torch.device
    ) -> None:
        self.sizes, self.device = sizes, device
        with torch.no_grad():
            told, named, anywhere = (weights.double() for weights in network.weights())
            kernels, any_delay = network.kernels(sizes), network.delays_anywhere(sizes[0], first_delay)
        self.told, self.named, self.anywhere = (
            torch.exp2((weights / torch.log(torch.tensor(2.0))).clamp(-_CLEAR, _CLEAR) + _CLEAR).round().to(device)
            for weights in (told, named, anywhere)
        )
        whole = [_whole(kernel.double().exp(), 3, power) for kernel, power in zip(kernels, _SUMS, strict=True)]
        self.near = [kernel.flatten(0, 3).to(device) for kernel in whole]  # [2 x STEPS x 4 x size, WIDTHS]
        self.round = [_turned(kernel).to(device) for kernel in whole]  # [2 x WIDTHS x STEPS x size, size]
        self.elsewhere = [_whole(any_delay.double().exp(), 1, _DELAYS).to(device)]
        for size, power in zip(sizes[1:], _SUMS[1:], strict=True):
            there = torch.stack([torch.arange(size) % step == 0 for step in STEPS])
            self.elsewhere.append(_whole(there / there.sum(1, keepdim=True).double(), 1, power).to(device))

    def information(
        self, told: torch.Tensor, place: torch.Tensor, below_db: torch.Tensor, step: torch.Tensor
    ) -> torch.Tensor:
        """Bits that it takes to say where each path of reports is, float64 [N, K].

        Args:
            told: places and strengths, int64 [N, M, 4].
            place: of the paths, int64 [N, K, 3].
            below_db: how much weaker than the strongest, int64 [N, K].
            step: which of STEPS they are placed in, int64 [N, K].
        """
        near, anywhere = self.weights(circumstances(told, place, below_db, self.sizes))
        total = near.sum((2, 3)) + anywhere
        other = torch.cat([told[..., :3], place], 1)
        kind = torch.arange(other.shape[1], device=place.device) >= told.shape[1]
        for axis, size in enumerate(self.sizes):
            here, there = place[..., axis, None], other[:, None, :, axis]
            case = (kind.long() * len(STEPS) + step[..., None]) * STEPS[-1] + there % STEPS[-1]
            near = near * torch.nn.functional.embedding(case * size + (here - there) % size, self.near[axis])
            anywhere = anywhere * self.elsewhere[axis][step, place[..., axis]]
        return sum(_SUMS) + torch.log2(total / (near.sum((2, 3)) + anywhere))

    def expectation(self, told: torch.Tensor, place: torch.Tensor, below_db: torch.Tensor) -> Expectation:
        """The frequencies of the next path of reports.

        Args:
            told: places and strengths, int64 [N, M, 4].
            place: of the paths so far, int64 [N, k, 3].
            below_db: how much weaker than the strongest these are and the next one is, int64 [N, k + 1].
        """
        unknown = torch.nn.functional.pad(place, (0, 0, 0, 1))
        near, anywhere = self.weights(circumstances(told, unknown, below_db, self.sizes, first=place.shape[1]))
        kept = told.shape[1] + place.shape[1]
        return Expectation(self, told, place, near[:, 0, :kept], anywhere[:, 0])

    def weights(self, asked: Circumstances) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each path to be near of, told ones first, [N, paths, M + K, WIDTHS], and of any place [N, paths]."""
        near = torch.cat(
            [
                torch.nn.functional.embedding(asked.told, self.told) * asked.is_told[..., None],
                torch.nn.functional.embedding(asked.named, self.named) * asked.is_named[..., None],
            ],
            2,
        )
        anywhere = self.anywhere[asked.anywhere]
        scale = 2**_WEIGHTS / (near.sum((2, 3)) + anywhere)
        first = ~asked.is_named.any(2)
        least = torch.where(first, 2**_WEIGHTS // _LEAST_FIRST, 2**_WEIGHTS // _LEAST)
        return (near * scale[..., None, None]).floor(), (anywhere * scale).floor() + least


class Expectation:
    """The frequencies of the next path of N reports: of its column, given this of its row, given both of its delay.

    Args:
        prior: all frequencies.
        told: places and strengths, int64 [N, M, 4].
        place: of the paths so far, int64 [N, k, 3].
        near: weights of all these, [N, M + k, WIDTHS].
        anywhere: of any place [N].
    """

    def __init__(
        self, prior: Prior, told: torch.Tensor, place: torch.Tensor, near: torch.Tensor, anywhere: torch.Tensor
    ) -> None:
        self._prior, self._near, self._anywhere = prior, near, anywhere
        self._other = torch.cat([told[..., :3], place], 1)
        kind = (torch.arange(self._other.shape[1], device=place.device) >= told.shape[1]).long()
        self._row = kind[:, None] * len(WIDTHS) + torch.arange(len(WIDTHS), device=place.device)

    def of(self, axis: int, step: torch.Tensor) -> torch.Tensor:
        """Frequencies of places along an axis (0 delay, 1 row, 2 column) on lattices `step` [N], int64 [N, size]."""
        prior, size = self._prior, self._prior.sizes[axis]
        case = (self._row * len(STEPS) + step[:, None, None]) * size + self._other[..., axis, None]
        near = torch.nn.functional.embedding_bag(
            case.flatten(1), prior.round[axis], mode="sum", per_sample_weights=self._near.flatten(1)
        )
        return (near + self._anywhere[:, None] * prior.elsewhere[axis][step]).long()

    def choose(self, axis: int, step: torch.Tensor, place: torch.Tensor) -> None:
        """Go on where the place [N] along an axis is known."""
        prior, size = self._prior, self._prior.sizes[axis]
        kind = self._row[:, 0] // len(WIDTHS)
        there = self._other[..., axis]
        case = (kind * len(STEPS) + step[:, None]) * STEPS[-1] + there % STEPS[-1]
        offset = (place[:, None] - there) % size
        self._near = self._near * torch.nn.functional.embedding(case * size + offset, prior.near[axis])
        self._anywhere = self._anywhere * prior.elsewhere[axis][step, place]


def _whole(probability: torch.Tensor, axis: int, power: int) -> torch.Tensor:
    """Whole numbers in proportion to probabilities, 2^power in all along an axis: the greatest takes what is over."""
    whole = (probability * 2**power).floor()
    over = 2**power - whole.sum(axis, keepdim=True)
    return whole.scatter_add(axis, probability.argmax(axis, keepdim=True), over)


def _turned(kernel: torch.Tensor) -> torch.Tensor:
    """Kernels by offsets [2, STEPS, 4, size, WIDTHS] as rows by places, [2 x WIDTHS x STEPS x size, size]."""
    size = kernel.shape[3]
    other, place = torch.arange(size)[:, None], torch.arange(size)
    turned = kernel[:, :, other % STEPS[-1], (place - other) % size]  # [2, STEPS, size, size, WIDTHS]
    return turned.permute(0, 4, 1, 2, 3).flatten(0, 3).contiguous()
