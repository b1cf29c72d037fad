"""A scene as the hypernetwork sees it: what the map says, by distance and direction from an access point."""

from __future__ import annotations

import math

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.recipe import AccessPoint

CHANNELS = ("height", "free", "seen")
"""Of a raster: height of what stands there in tens of metres; which share of the cell is free; and in which share of it
UEs would see the access point."""
RANGES, RANGE_M, _FINER = 32, 1.5, 3
_OBSTACLE_M = 0.5
_TALLEST_M = 10.0


def raster(height_m: torch.Tensor, access_point: AccessPoint, *, beams: int, ue_height_m: float) -> torch.Tensor:
    """The map round an access point, along the directions of its beams.

    Args:
        height_m: heights [m] at whole metres, [ny, nx], row along y, the first at the origin.
        access_point: whose coordinates are taken: ahead is its yaw.
        beams: B, of a row of antennas half a wavelength apart. Beam b is the direction in which the phase grows by
            (b - B / 2) / B cycles from antenna to antenna.
        ue_height_m: of UEs' antennas.

    Returns:
        float32 [CHANNELS, RANGES, beams]; beyond the map all is zero.

    Raises:
        ConfigurationError: a height is not finite, or nothing stands on the map.
    """
    if not height_m.isfinite().all():
        wrong = int((~height_m.isfinite()).sum())
        raise ConfigurationError(f"height_m must be finite, got {wrong} of {height_m.numel()} values that are not")
    if not (height_m > _OBSTACLE_M).any():
        raise ConfigurationError(
            f"height_m must hold a wall or a house, higher than {_OBSTACLE_M} m: got a scene without geometry, "
            f"{float(height_m.max()):.1f} m at its highest"
        )
    x, y, z = access_point.position_m
    sine = 2 * (torch.arange(beams) - beams / 2) / beams
    azimuth = access_point.yaw_rad + torch.asin(sine)
    away_m = RANGE_M / _FINER * (torch.arange(RANGES * _FINER)[:, None] + 0.5)  # so that no wall is stepped over
    column = (x + away_m * azimuth.cos()).round().long()
    row = (y + away_m * azimuth.sin()).round().long()
    ny, nx = height_m.shape
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    height = torch.where(inside, height_m[row.clamp(0, ny - 1), column.clamp(0, nx - 1)], 0.0)
    # What stands at r hides a UE at R behind it where it is higher than the straight line between the antennas.
    slope = (height - z) / away_m
    hidden_above = torch.cat([torch.full((1, beams), -math.inf), slope.cummax(0).values[:-1]])
    free = inside & (height <= _OBSTACLE_M)
    seen = free & (hidden_above <= (ue_height_m - z) / away_m)
    of_ranges = torch.stack([height / _TALLEST_M, free.float(), seen.float()]).unflatten(1, (RANGES, _FINER))
    return torch.cat([of_ranges[:1].amax(2), of_ranges[1:].mean(2)])
