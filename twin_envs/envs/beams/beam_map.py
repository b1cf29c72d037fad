"""What a twin world says of every beam at every place."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.envs.beams.codebook import Codebook
from twin_envs.twin.protocol import SensedState
from twin_envs.world.atlas.atlas import Atlas

_RINGS = ((0.5, 6), (1.1, 6), (1.7, 12), (2.4, 12))
"""Radius in standard deviations and number of places of each ring round the sensed position."""
_CHUNK = 512
"""Links computed at once: what they need stays in a processor's cache."""


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
    """Power of every beam at any place of a twin world.

    Args:
        atlas: of the twin world.
        codebook: the beams.
        yaw_error_rad: by how much each AP points elsewhere than the atlas says [A]; None for nothing. Beams turn with
            the array; the pattern of its elements is left where it was, which is flat over a few degrees.

    Attributes:
        step_cycles: by how many wavelengths the next row's and the next column's antenna lies further along each axis,
            float32 [A, 3, 2].
    """

    def __init__(self, atlas: Atlas, codebook: Codebook, yaw_error_rad: torch.Tensor | None = None) -> None:
        self.atlas, self.codebook, device = atlas, codebook, atlas.device
        antenna, cycles = atlas.antenna_m, atlas.geometry.carrier_hz / SPEED_OF_LIGHT
        column_step = antenna[:, 1 % codebook.columns] - antenna[:, 0]
        row_step = antenna[:, codebook.columns * (codebook.rows > 1)] - antenna[:, 0]
        steps = torch.stack([row_step, column_step], -1)  # [A, 3, 2]
        self.step_cycles = cycles * (steps if yaw_error_rad is None else _turn(yaw_error_rad) @ steps)
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
        """The same of arrays that point elsewhere than the atlas says, by `yaw_error_rad` [A]."""
        return BeamMap(self.atlas, self.codebook, yaw_error_rad)

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

        Paths do not interfere: their powers are added up, which is the mean over small-scale fading.

        Returns:
            float32 [M, beams], 0 where the twin has no channel, and bool [M].
        """
        height_m = self.atlas.geometry.point_m[:1, 2].expand(len(position_m))  # all of its grid points have that of UEs
        position_m = torch.cat([position_m, height_m[:, None]], -1)
        powers, sights = [], []
        for position, of_ap in zip(position_m.split(_CHUNK), ap.split(_CHUNK), strict=True):
            paths = self.atlas.paths(position, of_ap)
            direction = paths.image_m / paths.length_m[..., None]
            cycles = (direction @ self.step_cycles[of_ap]).flatten(0, 1)
            response = self.codebook.response(cycles[:, 0], cycles[:, 1]).unflatten(0, paths.gain.shape)
            powers.append((paths.power[:, None] @ response)[:, 0])
            sights.append(paths.line_of_sight)
        return torch.cat(powers), torch.cat(sights)


def _turn(angle_rad: torch.Tensor) -> torch.Tensor:
    """Rotations about the vertical by angles [A], float32 [A, 3, 3]."""
    cos, sin, zero = angle_rad.cos(), angle_rad.sin(), torch.zeros_like(angle_rad)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, zero + 1.0]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _shares() -> tuple[list[int], list[float]]:
    """Number of places in the centre and on each ring, and the area for which each place stands."""
    radii = [0.0, *(radius for radius, _ in _RINGS)]
    counts = [1, *(count for _, count in _RINGS)]
    borders = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(radii)), 2 * radii[-1] - (radii[-1] + radii[-2]) / 2]
    between = itertools.pairwise(borders)
    return counts, [(outer**2 - inner**2) / n for (inner, outer), n in zip(between, counts, strict=True)]
