"""What a channel twin says of every beam at every place."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.twin.protocol import ChannelTwin, GivesBeamPower, SensedState, require
from twin_envs.world.atlas.atlas import Geometry

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
        covered: share of the position's distribution for which the twin has a channel, float32 [N].
    """

    power: torch.Tensor
    weight: torch.Tensor
    los: torch.Tensor
    covered: torch.Tensor

    @property
    def mean_power(self) -> torch.Tensor:
        """Expected power gain of every beam, float32 [N, beams]; 0 where the twin knows nothing."""
        return (self.weight[..., None] * self.power).sum(1)

    @property
    def los_probability(self) -> torch.Tensor:
        """Probability of line of sight, float32 [N]."""
        return (self.weight * self.los).sum(-1)


class BeamMap(Constant):
    """Power of every beam at any place, as a channel twin expects it.

    Args:
        twin: the channel twin.
        geometry: grid points and APs of its site.
        codebook: the beams.
        yaw_error_rad: by how much each AP points elsewhere than the twin says [A]; None for nothing.

    Attributes:
        twin: the channel twin.

    Raises:
        ConfigurationError: the twin has no `beam_power`.
    """

    def __init__(
        self, twin: ChannelTwin, geometry: Geometry, codebook: Codebook, yaw_error_rad: torch.Tensor | None = None
    ) -> None:
        self._power: GivesBeamPower = require(twin, GivesBeamPower, "a decision about beams")
        self.twin, self.geometry, self.codebook, self.yaw_error_rad = twin, geometry, codebook, yaw_error_rad
        device = geometry.point_m.device
        places, weights = [torch.zeros(1, 2)], [torch.ones(1)]
        for radius, count in _RINGS:
            angle = (torch.arange(count) + 0.5 * (len(places) % 2)) * (2 * math.pi / count)
            places.append(radius * torch.stack([angle.cos(), angle.sin()], -1))
            weights.append(torch.full((count,), math.exp(-(radius**2) / 2)))
        area = torch.cat([torch.full((count,), share) for count, share in zip(*_shares(), strict=True)])
        weight = torch.cat(weights) * area
        offset, weight = torch.cat(places), weight / weight.sum()
        offset = offset / (0.5 * (weight[:, None] * offset.square()).sum()).sqrt()  # of unit variance in each axis
        self._offset, self._weight = offset.to(device), weight.to(device)

    def turned(self, yaw_error_rad: torch.Tensor) -> BeamMap:
        """The same of arrays that point elsewhere than the twin says, by `yaw_error_rad` [A]."""
        return BeamMap(self.twin, self.geometry, self.codebook, yaw_error_rad)

    @property
    def places(self) -> int:
        """How many places stand for a position's distribution."""
        return len(self._weight)

    def ask(self, sensed: SensedState, ap: torch.Tensor) -> Beliefs:
        """What N UEs and their links to access points `ap` int64 [N] are like."""
        place = sensed.position_m[:, None] + self._offset * sensed.position_std_m[:, None, None]
        power, los = self.look(place.flatten(0, 1), ap.repeat_interleave(self.places))
        power, los = power.unflatten(0, place.shape[:2]), los.unflatten(0, place.shape[:2])
        weight = self._weight * (power.sum(-1) > 0)
        covered = weight.sum(-1)
        weight = weight / covered.clamp_min(1e-9)[:, None]
        return Beliefs(power=power, weight=weight, los=los.float(), covered=covered)

    def look(self, position_m: torch.Tensor, ap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Power gain of every beam of APs `ap` [M] at `position_m` [M, 2], and whether there is line of sight.

        Returns:
            mean over small-scale fading, float32 [M, beams], 0 where the twin has no channel, and bool [M].
        """
        return self._power.beam_power(self.geometry.ground.place(position_m), ap, self.codebook, self.yaw_error_rad)


def _shares() -> tuple[list[int], list[float]]:
    """Number of places in the centre and on each ring, and the area for which each place stands."""
    radii = [0.0, *(radius for radius, _ in _RINGS)]
    counts = [1, *(count for _, count in _RINGS)]
    borders = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(radii)), 2 * radii[-1] - (radii[-1] + radii[-2]) / 2]
    between = itertools.pairwise(borders)
    return counts, [(outer**2 - inner**2) / n for (inner, outer), n in zip(between, counts, strict=True)]
