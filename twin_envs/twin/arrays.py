"""How the phase of a wave grows over the antennas of access points."""

from __future__ import annotations

import numpy as np
import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.recipe import SiteRecipe


class Arrays(Constant):
    """The planar arrays of A access points.

    Args:
        antenna_m: antennas relative to the array's middle, row by row, float32 [A, antennas, 3].
        columns: antennas of a row.
        carrier_hz: centre of the carrier.
    """

    def __init__(self, antenna_m: torch.Tensor, columns: int, carrier_hz: float) -> None:
        rows = antenna_m.shape[1] // columns
        row_m = antenna_m[:, columns * (1 % rows)] - antenna_m[:, 0]
        column_m = antenna_m[:, 1 % columns] - antenna_m[:, 0]
        self._steps = torch.stack([row_m, column_m], -1) * (carrier_hz / SPEED_OF_LIGHT)

    def steps(self, yaw_error_rad: torch.Tensor | None = None) -> torch.Tensor:
        """By how many wavelengths the next row's and the next column's antenna lies further along each axis [A, 3, 2].

        Args:
            yaw_error_rad: by how much each AP points elsewhere than is known [A]; None for nothing.
        """
        return self._steps if yaw_error_rad is None else _turn(yaw_error_rad) @ self._steps


def arrays_of(recipe: SiteRecipe, device: torch.device) -> Arrays:
    """The arrays as a recipe has them."""
    antenna_m = antenna_positions_m(recipe, np.zeros(len(recipe.access_points)))
    return Arrays(torch.from_numpy(antenna_m).to(device), recipe.array.columns, recipe.carrier_hz)


def _turn(angle_rad: torch.Tensor) -> torch.Tensor:
    """Rotations about the vertical by angles [A], float32 [A, 3, 3]."""
    cos, sin, zero = angle_rad.cos(), angle_rad.sin(), torch.zeros_like(angle_rad)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, zero + 1.0]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
