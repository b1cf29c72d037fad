"""What is expected of a link by its distance and direction alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.interpolated.features import AZIMUTHS, GAIN
from twin_envs.twin.measurements import distance_m
from twin_envs.twin.quadrature import wrapped
from twin_envs.world.atlas.geometry import Geometry


class Law(Protocol):
    """What is expected of a link before anything near it was measured."""

    def terms(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """What it depends on, at `position_m` [N, 2] for links to access points `ap` int64 [N]: float32 [N, T]."""

    def at(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Features at `position_m` [N, 2] of links to access points `ap` int64 [N], float32 [N, features]."""


FitLaw = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Law]
"""Fits a `Law` to features that were measured [M, features], at places [M, 2], of access points int64 [M]; these come
in the order places, access points, features."""


@dataclass(frozen=True, kw_only=True)
class PathLossLaw(Constant):
    """The log-distance law, gain = intercept + slope log10(distance / 1 m), with angles as in line of sight.

    One law for all access points, and for links with and without line of sight. Every other feature is the mean of what
    was measured.

    Attributes:
        geometry: of the site.
        boresight_rad: azimuth of each AP [A].
        intercept_db: gain at 1 m.
        slope_db: of the gain for each decade of distance; -20 in free space.
        level: of the other features, float32 [features]; of azimuths, that over the straight line's.
    """

    geometry: Geometry
    boresight_rad: torch.Tensor
    intercept_db: float
    slope_db: float
    level: torch.Tensor

    def terms(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Decades of the distance, float32 [N, 1]; see `Law`."""
        return distance_m(self.geometry, position_m, ap).log10()[:, None]

    def at(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Features at `position_m` [N, 2] of links to access points `ap` int64 [N], float32 [N, features]."""
        features = self.level.repeat(len(ap), 1)
        features[:, GAIN] = self.intercept_db + self.slope_db * self.terms(position_m, ap)[:, 0]
        features[:, AZIMUTHS] = wrapped(
            features[:, AZIMUTHS] + straight_rad(self.geometry, self.boresight_rad, position_m, ap)
        )
        return features


def fit_law(
    geometry: Geometry, boresight_rad: torch.Tensor, position_m: torch.Tensor, ap: torch.Tensor, features: torch.Tensor
) -> PathLossLaw:
    """The law that fits best, by least squares.

    Args:
        geometry: of the site.
        boresight_rad: azimuth of each AP [A].
        position_m: where features were measured [M, 2].
        ap: of which links, int64 [M].
        features: what was measured [M, features].
    """
    decades = distance_m(geometry, position_m, ap).log10().double()
    design = torch.stack([torch.ones_like(decades), decades], -1)
    # By the pseudo-inverse: where all distances are one, the law still goes through what was measured.
    intercept_db, slope_db = (torch.linalg.pinv(design) @ features[:, GAIN].double()).tolist()
    level = features.mean(0)
    turned = wrapped(features[:, AZIMUTHS] - straight_rad(geometry, boresight_rad, position_m, ap))
    level[AZIMUTHS] = torch.atan2(turned.sin().mean(0), turned.cos().mean(0))
    return PathLossLaw(
        geometry=geometry, boresight_rad=boresight_rad, intercept_db=intercept_db, slope_db=slope_db, level=level
    )


def residuals(features: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """By how much `features` differ from what was `expected` [M, features], azimuths the shorter way round."""
    off = features - expected
    off[:, AZIMUTHS] = wrapped(off[:, AZIMUTHS])
    return off


def straight_rad(
    geometry: Geometry, boresight_rad: torch.Tensor, position_m: torch.Tensor, ap: torch.Tensor
) -> torch.Tensor:
    """Azimuths of departure and arrival of the straight line, float32 [N, 2]; see `Knowledge`."""
    east, north = (position_m - geometry.ap_position_m[ap, :2]).unbind(-1)
    return torch.stack([torch.atan2(north, east) - boresight_rad[ap], torch.atan2(-north, -east)], -1)
