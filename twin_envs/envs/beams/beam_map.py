"""What a twin world says of every beam at every place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.envs.beams.codebook import Codebook
from twin_envs.twin.protocol import SensedState
from twin_envs.units import SPEED_OF_LIGHT
from twin_envs.world.atlas import Atlas

_RINGS = ((0.5, 6), (1.1, 6), (1.7, 12), (2.4, 12))
"""Radius in standard deviations and number of places of each ring round the sensed position."""


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """What the twin says of N UEs, at K places where each may be.

    Attributes:
        power: power gain of every beam, mean over small-scale fading, float32 [N, K, beams].
        weight: probability of each place, 0 where the twin has no channel, float32 [N, K]; adds up to 1 unless all
            are 0.
        los: is there line of sight? float32 [N, K], 0 or 1.
        known: share of the position's distribution for which the twin has a channel, float32 [N].
    """

    power: torch.Tensor
    weight: torch.Tensor
    los: torch.Tensor
    known: torch.Tensor

    @property
    def mean_power(self) -> torch.Tensor:
        """Expected power gain of every beam, float32 [N, beams]; 0 where the twin knows nothing."""
        return (self.weight[..., None] * self.power).sum(1)

    @property
    def los_probability(self) -> torch.Tensor:
        """Probability of line of sight, float32 [N]."""
        return (self.weight * self.los).sum(-1)


class BeamMap:
    """Power of every beam at every grid point of a twin world, added up over paths once; asking is a look-up.

    Args:
        atlas: of the twin world.
        codebook: the beams.
    """

    def __init__(self, atlas: Atlas, codebook: Codebook) -> None:
        self.geometry, device = atlas.geometry, atlas.device
        paths, antenna = atlas.packed_paths(), atlas.antenna_m
        cycles = atlas.geometry.carrier_hz / SPEED_OF_LIGHT
        column_step = (antenna[:, 1 % codebook.columns] - antenna[:, 0]) * cycles
        row_step = (antenna[:, codebook.columns * (codebook.rows > 1)] - antenna[:, 0]) * cycles
        ends = atlas.count.view(len(antenna), -1).sum(-1).cumsum(0).tolist()
        powers = []
        for ap, (start, end) in enumerate(zip([0, *ends], ends)):
            departure = paths.departure[start:end]
            response = codebook.response(departure @ row_step[ap], departure @ column_step[ap])
            counts = atlas.count.view(len(antenna), -1)[ap]
            received = response * paths.power[start:end, None]
            powers.append(torch.segment_reduce(received, "sum", lengths=counts, axis=0, initial=0.0))
        self.power = torch.cat(powers)
        """Power gain of every beam for each link, AP * grid points + grid point, float32 [A * C, beams]."""
        self.los = atlas.line_of_sight.flatten().float()
        self.covered = (atlas.gain.flatten() > 0).float()
        places, weights = [torch.zeros(1, 2)], [torch.ones(1)]
        for radius, count in _RINGS:
            angle = (torch.arange(count) + 0.5 * (len(places) % 2)) * (2 * math.pi / count)
            places.append(radius * torch.stack([angle.cos(), angle.sin()], -1))
            weights.append(torch.full((count,), math.exp(-(radius**2) / 2)))
        area = torch.cat([torch.full((count,), share) for count, share in zip(*_shares())])
        weight = torch.cat(weights) * area
        self._offset, self._weight = torch.cat(places).to(device), (weight / weight.sum()).to(device)

    def ask(self, sensed: SensedState, ap: torch.Tensor) -> Beliefs:
        """What N UEs and their links to access points `ap` int64 [N] are like."""
        place = sensed.position_m[:, None] + self._offset * sensed.position_std_m[:, None, None]
        cell = self.geometry.cell(place)
        link = ap[:, None] * len(self.geometry.point_m) + cell.clamp_min(0)
        weight = self._weight * self.covered[link] * (cell >= 0)
        known = weight.sum(-1)
        return Beliefs(
            power=self.power[link],
            weight=weight / known.clamp_min(1e-9)[:, None],
            los=self.los[link],
            known=known,
        )


def _shares() -> tuple[list[int], list[float]]:
    """Number of places in the centre and on each ring, and the area for which each place stands."""
    radii = [0.0, *(radius for radius, _ in _RINGS)]
    counts = [1, *(count for _, count in _RINGS)]
    borders = [0.0, *((a + b) / 2 for a, b in zip(radii, radii[1:])), 2 * radii[-1] - (radii[-1] + radii[-2]) / 2]
    return counts, [(outer**2 - inner**2) / n for inner, outer, n in zip(borders, borders[1:], counts)]
