"""A partial map, and what is likely to stand where nothing is known, by what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy import ndimage

from twin_envs.base.constant import Constant
from twin_envs.twin.map.skyline import Skyline

SURELY = 0.85
"""A wall that does not stand closes a street to the twin, and costs it more than one that it misses."""
_LAG_M = 8
"""So far apart, cells tell how alike neighbours are."""
_CORRELATION = (0.05, 0.95)


@dataclass(frozen=True, kw_only=True)
class PartialMap(Constant):
    """A map of which parts are not known.

    Attributes:
        skyline: what is known; where nothing is, nothing is built.
        unknown: where, bool [ny, nx].
    """

    skyline: Skyline
    unknown: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Belief(Constant):
    """What is believed of a map.

    Attributes:
        share: how likely each cell is to be built, float32 [ny, nx]; 0 or 1 where the map is known.
        top_m: how high the building there would be, in space, float32 [ny, nx].
        origin_m: see `Skyline`.
    """

    share: torch.Tensor
    top_m: torch.Tensor
    origin_m: tuple[float, float]

    def skyline(self, surely: float = SURELY) -> Skyline:
        """The map in which all is built that is built with a probability above `surely`."""
        return Skyline(top_m=self.top_m, built=self.share > surely, origin_m=self.origin_m)


def without(skyline: Skyline, unknown: torch.Tensor) -> PartialMap:
    """The map without what stands in the `unknown` cells, bool [ny, nx]."""
    known = Skyline(
        top_m=skyline.top_m.masked_fill(unknown, 0.0), built=skyline.built & ~unknown, origin_m=skyline.origin_m
    )
    return PartialMap(skyline=known, unknown=unknown)


def as_near_by(partial: PartialMap) -> Belief:
    """What is believed of unknown cells by the nearest that is known: a town is taken to change between built and free
    along a line as a Markov chain of two states does, whose share and correlation are those of what is known.
    Where nothing is known, nothing is built."""
    known, built = ~partial.unknown, partial.skyline.built
    row, column, away_m = _nearest(known)
    level = (built & known).sum() / known.sum().clamp_min(1)
    share = level + (built[row, column].float() - level) * torch.exp(-away_m / _length_m(built, known, level))
    roof_row, roof_column, _ = _nearest(built) if built.any() else (row, column, away_m)
    top_m = partial.skyline.top_m
    return Belief(
        share=share.where(partial.unknown, built.float()),
        top_m=top_m[roof_row, roof_column].where(partial.unknown, top_m),
        origin_m=partial.skyline.origin_m,
    )


def _nearest(there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Row and column of the nearest cell that is `there`, bool [ny, nx], from each, and how far it is away [ny, nx]."""
    away_m, (row, column) = ndimage.distance_transform_edt((~there).cpu().numpy(), return_indices=True)
    on = there.device
    return torch.from_numpy(row).to(on), torch.from_numpy(column).to(on), torch.from_numpy(away_m).float().to(on)


def _length_m(built: torch.Tensor, known: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Over how many metres the correlation of what is built falls by e."""
    off, product, pairs = built.float() - level, torch.zeros_like(level), torch.zeros_like(level)
    for axis, size in enumerate(built.shape):
        if size <= _LAG_M:
            continue
        (one, other), (here, there) = (
            [values.narrow(axis, start, size - _LAG_M) for start in (0, _LAG_M)] for values in (off, known)
        )
        product, pairs = product + (one * other * (here & there)).sum(), pairs + (here & there).sum()
    variance = (level * (1 - level)).clamp_min(1e-6)
    return -_LAG_M / (product / pairs.clamp_min(1) / variance).clamp(*_CORRELATION).log()
