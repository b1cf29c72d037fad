"""What all worlds of a site share: where its APs and grid points are."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from twin_envs.base.constant import Constant
from twin_envs.world.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Geometry(Constant):
    """What all worlds of a site share.

    Attributes:
        carrier_hz: centre of the carrier.
        ap_position_m: float32 [A, 3].
        cell_of: index of the grid point of each raster cell, int64 [ny, nx], -1 where there is none.
        point_m: grid points, float32 [C, 3].
        origin_m: centre of raster cell (0, 0), (x, y).
        grid_m: spacing.
        ground: what UEs move on.
    """

    carrier_hz: float
    ap_position_m: torch.Tensor
    cell_of: torch.Tensor
    point_m: torch.Tensor
    origin_m: tuple[float, float]
    grid_m: float
    ground: Ground = field(default_factory=Ground)

    def to(self, device: torch.device | str) -> Geometry:
        """The same on another device."""
        tensors = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return type(self)(**{**vars(self), **tensors, "ground": self.ground.to(device)})

    def cell(self, position_m: torch.Tensor) -> torch.Tensor:
        """Index of the nearest grid point [...] of positions [..., 2 or 3]; -1 off the grid."""
        ny, nx = self.cell_of.shape
        column = torch.round((position_m[..., 0] - self.origin_m[0]) / self.grid_m).long()
        row = torch.round((position_m[..., 1] - self.origin_m[1]) / self.grid_m).long()
        inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        return torch.where(inside, self.cell_of[row.clamp(0, ny - 1), column.clamp(0, nx - 1)], -1)
