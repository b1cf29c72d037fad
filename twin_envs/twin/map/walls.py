"""How far it is from a place to the walls about it."""

from __future__ import annotations

import math

import torch

from twin_envs.twin.map.skyline import Skyline
from twin_envs.world.atlas.geometry import Geometry

_DIRECTIONS, _FARTHEST_M, _STEP_M = 16, 60.0, 1.5
_CHUNK = 1024


def walls(skyline: Skyline, place: torch.Tensor) -> torch.Tensor:
    """How far it is from places [C, 2] to the next wall in each direction, counter-clockwise from x, [C, 16]."""
    angle = torch.arange(_DIRECTIONS, device=place.device) * (2 * math.pi / _DIRECTIONS)
    step = torch.arange(1, int(_FARTHEST_M / _STEP_M) + 1, device=place.device) * _STEP_M
    ways = torch.stack([angle.cos(), angle.sin()], -1)[:, None] * step[:, None]
    found = []
    for part in place.split(_CHUNK):
        hit = skyline.tops(part[:, None, None] + ways).isfinite()
        found.append(torch.where(hit.any(-1), step[hit.float().argmax(-1)], _FARTHEST_M))
    return torch.cat(found)


def walls_towards(geometry: Geometry, ap: int, walls_m: torch.Tensor) -> torch.Tensor:
    """How far the next wall is in directions relative to that of an AP: towards it, then counter-clockwise [C, 8].

    Args:
        geometry: of the site.
        ap: the access point.
        walls_m: what `walls` says.
    """
    away = geometry.ap_position_m[ap, :2] - geometry.point_m[:, :2]
    towards = torch.atan2(away[:, 1], away[:, 0]) * (_DIRECTIONS / (2 * math.pi))
    turn = torch.arange(0, _DIRECTIONS, 2, device=walls_m.device)
    at = towards[:, None] + turn
    low = at.floor()
    first, second = (walls_m.gather(1, (low + n).long() % _DIRECTIONS) for n in (0, 1))
    return torch.lerp(first, second, at - low)
