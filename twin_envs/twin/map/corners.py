"""Corners of buildings, which waves go round, and what can be seen from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import conv2d, max_pool2d, pad

from twin_envs.base.constant import Constant
from twin_envs.twin.map.skyline import Skyline

_ROUND_M = 4
"""A corner is told from a wall by how much is built within so far: half of it along a wall, a quarter at a corner."""
_MOST_BUILT = 0.4
_APART = 7
"""One corner in a square of so many cells."""
_DIRECTIONS = 512
_PLACES = 2048
_SLACK_M = 0.5


@dataclass(frozen=True, kw_only=True)
class Corners(Constant):
    """K corners.

    Attributes:
        place_m: float32 [K, 2].
        reach_m: how far one sees from each in directions evenly round it, counter-clockwise from x, float32 [K, 512].
    """

    place_m: torch.Tensor
    reach_m: torch.Tensor

    def see(self, place_m: torch.Tensor) -> torch.Tensor:
        """Whether each corner sees each of the places [N, 2], bool [K, N]."""
        seen = []
        for some_m in place_m.split(_PLACES):
            away = some_m - self.place_m[:, None]
            turn = torch.atan2(away[..., 1], away[..., 0]) * (_DIRECTIONS / (2 * math.pi))
            reach_m = self.reach_m.gather(1, turn.round().long() % _DIRECTIONS)
            seen.append(away.norm(dim=-1) <= reach_m + _SLACK_M)
        return torch.cat(seen, 1)


def corners_of(skyline: Skyline) -> Corners:
    """The corners of a skyline."""
    built = skyline.built
    reach = torch.arange(-_ROUND_M, _ROUND_M + 1, device=built.device)
    disc = (reach.square()[:, None] + reach.square() <= _ROUND_M**2).float()
    flat = pad(built[None, None].float(), (_ROUND_M,) * 4, mode="replicate")
    share = conv2d(flat, (disc / disc.sum())[None, None])[0, 0]
    beside = (max_pool2d(built[None, None].float(), 3, 1, 1)[0, 0] > 0) & ~built
    # Of cells that are as sharp as each other the first is taken.
    order = torch.arange(built.numel(), device=built.device).view_as(built) * (1e-3 / built.numel())
    dull = share.where(beside, 2.0) + order
    sharpest = -max_pool2d(-dull[None, None], _APART, 1, _APART // 2)[0, 0] == dull
    row, column = (sharpest & beside & (share < _MOST_BUILT)).nonzero(as_tuple=True)
    place_m = torch.stack([column, row], -1).float() + torch.tensor(skyline.origin_m, device=built.device)
    return Corners(place_m=place_m, reach_m=_reach_m(built, row, column))


def _reach_m(built: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """How far one sees from cells in each direction, float32 [K, directions]."""
    ny, nx = built.shape
    farthest = math.ceil(math.hypot(ny, nx))
    turn = torch.arange(_DIRECTIONS, device=built.device) * (2 * math.pi / _DIRECTIONS)
    away = torch.arange(1, farthest + 1, device=built.device)
    right, up = ((away * axis[:, None]).round().long() for axis in (turn.cos(), turn.sin()))
    found = [torch.zeros(0, _DIRECTIONS, device=built.device)]
    for y, x in zip(row.tolist(), column.tolist(), strict=True):
        at_y, at_x = y + up, x + right
        outside = (at_y < 0) | (at_y >= ny) | (at_x < 0) | (at_x >= nx)
        hit = built.flatten()[at_y.clamp(0, ny - 1) * nx + at_x.clamp(0, nx - 1)] & ~outside
        found.append(torch.where(hit.any(-1), hit.int().argmax(-1) + 1, farthest).float()[None])
    return torch.cat(found)
