"""The map as a twin has it: what stands how high on a raster of 1 m."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.world.store.site import Site

BUILDING_M = 2.5
"""What is lower is looked over in the street: walls of gardens, stalls."""


@dataclass(frozen=True, kw_only=True)
class Skyline(Constant):
    """Heights of buildings; beyond the raster there are none.

    Attributes:
        top_m: of the highest surface, in space, float32 [ny, nx].
        built: where that is a building's, bool [ny, nx].
        origin_m: centre of cell [0, 0], (x, y); the cells are squares of 1 m.
    """

    top_m: torch.Tensor
    built: torch.Tensor
    origin_m: tuple[float, float]

    def cells(self, position_m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Row and column of the nearest cell of positions [..., 2 or 3], int64 [...] each; they may lie outside."""
        column = (position_m[..., 0] - self.origin_m[0]).round().long()
        return (position_m[..., 1] - self.origin_m[1]).round().long(), column

    def tops(self, position_m: torch.Tensor) -> torch.Tensor:
        """Height of the building at positions [..., 2 or 3], float32 [...]; minus infinity where there is none."""
        row, column = self.cells(position_m)
        ny, nx = self.built.shape
        index = row.clamp(0, ny - 1) * nx + column.clamp(0, nx - 1)
        there = (row >= 0) & (row < ny) & (column >= 0) & (column < nx) & self.built.flatten()[index]
        return self.top_m.flatten()[index].where(there, -torch.inf)


def skyline_of(site: Site) -> Skyline:
    """The skyline of a site, from its map, which all its worlds share."""
    height_m = site.height_m.to(site.device).nan_to_num(0.0)
    ground_m = site.geometry.ground.height_m
    return Skyline(
        top_m=height_m if ground_m is None else height_m + ground_m.float(),
        built=height_m > BUILDING_M,
        origin_m=site.recipe.area_m[:2],
    )
