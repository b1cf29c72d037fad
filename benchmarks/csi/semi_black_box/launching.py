"""Where power comes from according to a map alone: rays in the plane that walls reflect like mirrors."""

from __future__ import annotations

import math

import torch

from twin_envs.world.recipe import AccessPoint

_RAYS_EACH, _STEP_M, _REACH_M, _BOUNCES = 8, 0.5, 120.0, 3
_REFLECTED = 0.15
"""Power that a wall reflects: concrete's at 45 degrees is from 0.1 to 0.3."""
_OBSTACLE_M = 0.5


def launched(
    height_m: torch.Tensor, access_point: AccessPoint, *, beams: int, taps: int, first_tap: int, tap_m: float
) -> torch.Tensor:
    """Expected power by delay and direction of UEs that are as likely in every free cell that rays reach.

    Rays go round the access point through free cells, and lose power by distance, at walls and by the pattern of the
    antennas (TR 38.901, table 7.3-1, in azimuth). What a cell gets is normalised, as pictures are, and delays count
    from the cell's own first ray on.

    Args:
        height_m: heights [m] at whole metres, [ny, nx], row along y, the first at the origin.
        access_point: from where rays go.
        beams: directions ahead, as `raster` has them.
        taps: of delays.
        first_tap: that of the first ray.
        tap_m: length of a tap.

    Returns:
        float32 [taps, beams], of sum 1; all zero where no ray reaches a free cell.
    """
    ny, nx = height_m.shape
    x0, y0, z = access_point.position_m
    solid = height_m > min(z, 2 * _OBSTACLE_M + 0.5)
    free = height_m <= _OBSTACLE_M
    sine = (torch.arange(beams * _RAYS_EACH) + 0.5) / (beams * _RAYS_EACH) * 2 - 1 - 1 / beams
    ahead = torch.asin(sine.clamp(-0.999, 0.999))
    width = 1 / ahead.cos()  # of what a ray stands for, in azimuth
    loss_db = (12 * (torch.rad2deg(ahead) / 65).square()).clamp_max(30)
    strength = width * 10 ** (-loss_db / 10)
    azimuth = ahead + access_point.yaw_rad
    dx, dy = azimuth.cos(), azimuth.sin()
    x, y = torch.full_like(dx, x0), torch.full_like(dy, y0)
    beam = torch.arange(beams).repeat_interleave(_RAYS_EACH)
    bounces = torch.zeros_like(beam)

    def hits(at_x: torch.Tensor, at_y: torch.Tensor) -> torch.Tensor:
        column, row = at_x.round().long(), at_y.round().long()
        inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        return inside & solid[row.clamp(0, ny - 1), column.clamp(0, nx - 1)]

    cells, powers, lengths, of_beam = [], [], [], []
    for step in range(1, int(_REACH_M / _STEP_M) + 1):
        blocked = hits(x + _STEP_M * dx, y + _STEP_M * dy)
        along_x, along_y = hits(x + _STEP_M * dx, y), hits(x, y + _STEP_M * dy)
        corner = blocked & ~along_x & ~along_y
        dx = torch.where(blocked & (along_x | corner), -dx, dx)
        dy = torch.where(blocked & (along_y | corner), -dy, dy)
        bounces = bounces + blocked
        x, y = torch.where(blocked, x, x + _STEP_M * dx), torch.where(blocked, y, y + _STEP_M * dy)
        column, row = x.round().long(), y.round().long()
        alive = (bounces <= _BOUNCES) & (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        alive = alive & free[row.clamp(0, ny - 1), column.clamp(0, nx - 1)]
        length_m = _STEP_M * step
        cells.append((row * nx + column)[alive])
        powers.append((strength * _REFLECTED**bounces)[alive] / length_m)
        lengths.append(torch.full((int(alive.sum()),), length_m))
        of_beam.append(beam[alive])
    cell, power, length, direction = (torch.cat(each) for each in (cells, powers, lengths, of_beam))
    first_m = torch.full((ny * nx,), math.inf).scatter_reduce(0, cell, length, "amin")
    total = torch.zeros(ny * nx).index_add(0, cell, power)
    tap = first_tap + ((length - first_m[cell]) / tap_m).round().long()
    kept = tap < taps
    share = (power / total[cell])[kept]
    found = torch.zeros(taps * beams).index_add(0, (tap * beams + direction)[kept], share)
    return (found / found.sum().clamp_min(1e-9)).view(taps, beams)
