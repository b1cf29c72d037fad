"""What is known of a site before anything is traced or measured: its map and its access points."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site

_RASTER_M = 1.0


@dataclass(frozen=True, kw_only=True)
class TownMap(Constant):
    """The map of a site, as its twin has it.

    Attributes:
        geometry: of the site.
        yaw_rad, downtilt_rad: of each AP [A].
        height_m: of the highest surface over the ground on a raster of 1 m, float32 [ny, nx].
        origin_m: raster point (0, 0).
    """

    geometry: Geometry
    yaw_rad: torch.Tensor
    downtilt_rad: torch.Tensor
    height_m: torch.Tensor
    origin_m: tuple[float, float]

    def height_at(self, position_m: torch.Tensor) -> torch.Tensor:
        """Height of the highest surface at `position_m` [..., 2], float32 [...]; that of the edge beyond it."""
        ny, nx = self.height_m.shape
        column = ((position_m[..., 0] - self.origin_m[0]) / _RASTER_M).round().long().clamp(0, nx - 1)
        row = ((position_m[..., 1] - self.origin_m[1]) / _RASTER_M).round().long().clamp(0, ny - 1)
        return self.height_m.flatten()[row * nx + column]


def town_map(site: Site) -> TownMap:
    """The map of a site."""
    aps = site.recipe.access_points
    return TownMap(
        geometry=site.geometry,
        yaw_rad=torch.tensor([ap.yaw_rad for ap in aps], device=site.device),
        downtilt_rad=torch.tensor([ap.downtilt_rad for ap in aps], device=site.device),
        height_m=site.height_m.to(site.device),
        origin_m=site.recipe.area_m[:2],
    )
