"""How probable each beam and delay of a report's next path is, as whole frequencies that both ends compute alike.

A path is expected near those that the base station has told the UE, in a beam of a path that the report has named
before, or anywhere. The strongest path is near the strongest that was told; the others are spread more evenly, and less
near. Each of these is a frequency for beams times one for delays, so the beam is coded first, with the sum over delays,
and then the delay, given the beam.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path_twin.expected import NONE

_UNIT = 1 << 10
"""What the frequencies of one kernel, and the weights of what is told, sum to, but for rounding."""
_STRONGEST_SHARES = (59, 0, 5)
"""In 64ths: how probable the strongest path is near what was told, in the beam of a path before it, anywhere."""
_SHARES = (40, 18, 6)
"""The same for the others."""


class Prior(Constant):
    """The frequencies at every place that can be told.

    Args:
        dictionary: the delays and beams that there are.
        first_delay: index of the delay of a path that is as long as the first one.
        device: where it computes.
    """

    def __init__(self, dictionary: Dictionary, first_delay: int, device: torch.device) -> None:
        self.beams = dictionary.beams
        delay = torch.arange(dictionary.delays, dtype=torch.float64)
        row, column = _apart(dictionary.rows), _apart(dictionary.columns)

        def beams(per_row: float, per_column: float) -> torch.Tensor:
            far = per_row * row[:, None, :, None] + per_column * column[None, :, None, :]
            return _kernel(-far.flatten(2).flatten(0, 1)).to(device)

        def delays(per_step: float) -> torch.Tensor:
            return _kernel(-per_step * (delay[:, None] - delay).abs()).to(device)

        self.near_strongest = beams(5.0, 1.5), delays(3.0)
        self.near_others = beams(4.0, 1.0), delays(2.0)
        self.same_beam = beams(0.0, 1.5)
        late = delay - first_delay
        falls = torch.where(late < 0, 5 * late, -2 * torch.log2(1 + late.clamp_min(0)))
        self.any_delay = _kernel(torch.logaddexp2(falls, torch.tensor(-8.0))[None]).to(device)[0]
        strength = torch.arange(NONE + 1, dtype=torch.float64)
        weights = torch.stack([2 ** (NONE - 1 - strength), 32 * 2 ** (-strength / 2)])
        self.weights = torch.where(strength < NONE, weights.round(), 0.0).long().to(device)

    def given(self, told: torch.Tensor) -> Expectation:
        """The frequencies for reports whose UEs have been `told` this, int64 [N, M, 2] (see `expected_paths`)."""
        return Expectation(self, told)


class Expectation:
    """The frequencies of N reports.

    Args:
        prior: at every place.
        told: at theirs, int64 [N, M, 2].
    """

    def __init__(self, prior: Prior, told: torch.Tensor) -> None:
        self._prior = prior
        index, strength = told.unbind(-1)
        self._delay, self._beam = index // prior.beams, index % prior.beams
        weights = prior.weights[:, strength]  # [2, N, M]
        self._weights = weights * _UNIT // weights.sum(-1, keepdim=True).clamp_min(1)
        self._told_beams = [
            self._near(weight, self._beam, kernel, prior.beams) for weight, (kernel, _) in self._kinds()
        ]

    def of_beams(self, before: torch.Tensor) -> torch.Tensor:
        """Frequencies of the next path's beam, int64 [N, beams], after paths in the beams `before` [N, k]."""
        told, same, anywhere = _SHARES if before.shape[1] else _STRONGEST_SHARES
        near = told * self._told_beams[min(before.shape[1], 1)] + anywhere * (_UNIT * _UNIT // self._prior.beams)
        return near + same * self._prior.same_beam[before].sum(1) * (_UNIT // max(before.shape[1], 1))

    def of_delays(self, before: torch.Tensor, beam: torch.Tensor) -> torch.Tensor:
        """Frequencies of its delay, int64 [N, delays], where its beam is `beam` [N]."""
        prior, number = self._prior, min(before.shape[1], 1)
        told, same, anywhere = _SHARES if number else _STRONGEST_SHARES
        weight, (beams, delays) = self._kinds()[number]
        near = self._near(weight * beams[self._beam, beam[:, None]], self._delay, delays, len(prior.any_delay))
        in_same = prior.same_beam[before, beam[:, None]].sum(1) * (_UNIT // max(before.shape[1], 1))
        elsewhere = same * in_same + anywhere * (_UNIT * _UNIT // prior.beams)
        return told * near + elsewhere[:, None] * prior.any_delay

    def _kinds(self) -> list[tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]]:
        """Weights of what is told and kernels round it, for the strongest path and for the others."""
        return list(zip(self._weights, (self._prior.near_strongest, self._prior.near_others), strict=True))

    @staticmethod
    def _near(weight: torch.Tensor, place: torch.Tensor, kernel: torch.Tensor, size: int) -> torch.Tensor:
        """Sum of kernels at places [N, M] by their weights, int64 [N, size]: below 2^53, so doubles are exact."""
        total = torch.zeros(len(place), size, dtype=torch.int64, device=place.device).scatter_add_(1, place, weight)
        return (total.double() @ kernel.double()).long()


def _apart(size: int) -> torch.Tensor:
    """How far beams are from each other round the circle, float64 [size, size]."""
    number = torch.arange(size, dtype=torch.float64)
    far = (number[:, None] - number).abs()
    return torch.minimum(far, size - far)


def _kernel(exponent: torch.Tensor) -> torch.Tensor:
    """Whole numbers in proportion to 2^exponent, int64 of the same shape, that sum to `_UNIT` in each row."""
    share = torch.exp2(exponent)
    return (_UNIT * share / share.sum(-1, keepdim=True)).round().long()
