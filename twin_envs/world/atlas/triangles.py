"""The triangles between grid points, and by which share each of their corners counts at a position.

Every square of four raster cells is cut along its diagonal, so a position has three grid points round it. Those of two
neighbouring triangles are the same along the edge that they share, so what is composed by shares is continuous.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant

_LEAST = 1e-12


class Triangles(Constant):
    """Triangles of grid points.

    Args:
        cell_of: index of the grid point of each raster cell, int64 [ny, nx], -1 where there is none.
        origin_m: centre of raster cell (0, 0), (x, y).
        grid_m: spacing.

    Attributes:
        corner: indices of the grid points at the corners, int64 [T, 3]; -1 where there is none.
    """

    def __init__(self, cell_of: torch.Tensor, origin_m: tuple[float, float], grid_m: float) -> None:
        self._origin_m, self._grid_m = origin_m, grid_m
        self._rows, self._columns = (size + 1 for size in cell_of.shape)
        cell = torch.nn.functional.pad(cell_of, (1, 1, 1, 1), value=-1)
        near, beside, above, far = cell[:-1, :-1], cell[:-1, 1:], cell[1:, :-1], cell[1:, 1:]
        self.corner = torch.stack([near, beside, far, near, above, far], -1).reshape(-1, 3)

    def at(self, position_m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Triangle int64 [N] of positions [N, 2 or 3], and the share of each corner float32 [N, 3].

        Shares are squares of the barycentric coordinates of the corners that are there, over their sum: so a
        position that leaves a corner leaves it slowly, and one that comes to an edge loses the corner beyond it
        slowly. They add up to one; all are zero where no corner is there.
        """
        u = (position_m[:, 0] - self._origin_m[0]) / self._grid_m + 1
        v = (position_m[:, 1] - self._origin_m[1]) / self._grid_m + 1
        column, row = u.floor().clamp(0, self._columns - 1), v.floor().clamp(0, self._rows - 1)
        x, y = (u - column).clamp(0, 1), (v - row).clamp(0, 1)
        triangle = 2 * (row.long() * self._columns + column.long()) + (y > x)
        along = torch.stack([1 - torch.maximum(x, y), (x - y).abs(), torch.minimum(x, y)], -1)
        share = torch.where(self.corner[triangle] >= 0, along, 0.0).square()
        return triangle, share / share.sum(-1, keepdim=True).clamp_min(_LEAST)
