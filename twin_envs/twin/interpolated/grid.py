"""Features at every grid point, made once: asking is then a look-up."""

from __future__ import annotations

from typing import Self

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.error import TwinError
from twin_envs.twin.interpolated.features import AZIMUTHS, values_of
from twin_envs.twin.interpolated.interpolation import Interpolation
from twin_envs.twin.interpolated.law import Law
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge, SensedState
from twin_envs.twin.quadrature import Ring, about_mean
from twin_envs.world.atlas.geometry import Geometry


class FeatureGrid(Constant):
    """Features of every link at every grid point.

    Args:
        geometry: A access points and C grid points.
        mean, std: of the features, float32 [A, C, F].
        there: for which links there are any, bool [A, C].

    Attributes:
        mean, std: see there.
    """

    def __init__(self, geometry: Geometry, mean: torch.Tensor, std: torch.Tensor, there: torch.Tensor) -> None:
        self._geometry, self._there = geometry, there.flatten()
        self.mean, self.std = mean, std
        self._ring = Ring(mean.device)

    def at(self, sensed: SensedState, ap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What is known of N UEs that are `sensed` and their links to access points `ap` int64 [N].

        Returns:
            The share of where they may be for which there is anything [N]; means and standard deviations of the
            features over that, [N, F] each.
        """
        cell = self._geometry.cell(self._ring.places(sensed))
        link = ap[:, None] * len(self._geometry.point_m) + cell.clamp_min(0)
        weight = self._ring.weight * (self._there[link] & (cell >= 0))
        covered = weight.sum(-1)
        weight = weight / covered.clamp_min(1e-9)[:, None]
        features, std = self.mean.flatten(0, 1)[link], self.std.flatten(0, 1)[link]
        for azimuth in AZIMUTHS:
            features[..., azimuth] = about_mean(features[..., azimuth], weight)
        mean = (weight[..., None] * features).sum(1)
        variance = (weight[..., None] * ((features - mean[:, None]).square() + std.square())).sum(1)
        return covered, mean, variance.sqrt()


class GriddedTwin(Constant):
    """A channel twin that looks up what it knows in a grid.

    Args:
        grid: the grid; None of a twin that does not know of any link yet.
    """

    def __init__(self, grid: FeatureGrid | None = None) -> None:
        self._grid = grid
        self._error: TwinError | None = None

    def knowing(self, error: TwinError) -> Self:
        """The same twin, which knows how wrong it is; see `LearnsError`."""
        return self._with(_error=error)

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N] (see `Knowledge`)."""
        if self._grid is None:
            nothing = torch.zeros(len(ap), len(KNOWLEDGE_FIELDS), device=ap.device)
            return Knowledge(covered=nothing[:, 0], values=nothing, std=nothing)
        covered, features, std = self._grid.at(sensed, ap)
        values, std = values_of(features, std, sensed)
        known = Knowledge(covered=covered, values=values, std=std)
        return known if self._error is None else self._error.correct(known, sensed)

    def _with(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self), **changed)
        return other


def tabulate(geometry: Geometry, law: Law | None, interpolation: Interpolation, there: torch.Tensor) -> FeatureGrid:
    """The grid of what a law expects and the interpolated residuals about it; of these alone if there is no law.

    Args:
        geometry: A access points and C grid points.
        law: what the residuals are about.
        interpolation: of residuals.
        there: for which links there is anything, bool [A, C].
    """
    place, means, stds = geometry.point_m[:, :2], [], []
    for ap in range(len(geometry.ap_position_m)):
        mean, std = interpolation.at(place, ap)
        if law is not None:
            mean = mean + law.at(place, torch.full((len(place),), ap, device=place.device))
        means.append(mean)
        stds.append(std)
    return FeatureGrid(geometry, torch.stack(means), torch.stack(stds), there)
