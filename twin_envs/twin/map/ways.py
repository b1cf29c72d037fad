"""The shortest ways from access points to places along the streets, round corners."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.map.corners import Corners

MOST_CORNERS = 4
"""Behind more corners nothing is left to hear."""
_NO_WAY_M = 1e6
_PLACES = 8192
_TIE_M = 1.0
"""A way that is shorter by less is not worth another corner: corners lie on a raster."""


@dataclass(frozen=True, kw_only=True)
class Ways(Constant):
    """Ways from A access points to N places out of their sight, with one corner or more.

    Attributes:
        length_m: float32 [A, N]; infinite where there is no way.
        corners: how many a way goes round, float32 [A, N]; `MOST_CORNERS` + 1 where there is no way.
        first, last: the first and the last of them, int64 [A, N]; 0 where there is none.
    """

    length_m: torch.Tensor
    corners: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor


def ways_round(corners: Corners, ap_m: torch.Tensor, ap_sees: torch.Tensor, place_m: torch.Tensor) -> Ways:
    """The shortest ways round corners.

    Args:
        corners: K of them.
        ap_m: access points [A, 2].
        ap_sees: which corners each sees, bool [A, K].
        place_m: places [N, 2].
    """
    sees = corners.see(corners.place_m)
    apart_m = torch.cdist(corners.place_m, corners.place_m).where(sees | sees.mT, _NO_WAY_M).fill_diagonal_(_NO_WAY_M)
    so_far_m = torch.cdist(ap_m, corners.place_m).where(ap_sees, _NO_WAY_M)
    start = torch.arange(len(corners.place_m), device=ap_m.device).expand_as(so_far_m)
    legs = [(so_far_m, start)]
    while len(legs) < MOST_CORNERS and len(corners.place_m):
        so_far_m, before = (so_far_m[:, :, None] + apart_m).min(1)
        start = start.gather(1, before)
        legs.append((so_far_m, start))
    parts = [_onward(corners, legs, some_m) for some_m in place_m.split(_PLACES)]
    return Ways(**{name: torch.cat([vars(part)[name] for part in parts], 1) for name in vars(parts[0])})


def _onward(corners: Corners, legs: list[tuple[torch.Tensor, torch.Tensor]], place_m: torch.Tensor) -> Ways:
    """Ways to some places, by the lengths [A, K] of ways to the last of one corner, of two, and so on, and the first
    corners of these."""
    aps, places, device = len(legs[0][0]), len(place_m), place_m.device
    length_m = torch.full((aps, places), _NO_WAY_M, device=device)
    number = torch.full_like(length_m, MOST_CORNERS + 1)
    first, last = (torch.zeros_like(length_m, dtype=torch.int64) for _ in range(2))
    if not len(corners.place_m):
        return Ways(length_m=length_m.fill_(torch.inf), corners=number, first=first, last=last)
    onward_m = torch.cdist(corners.place_m, place_m).where(corners.see(place_m), _NO_WAY_M)
    for passed, (so_far_m, start) in enumerate(legs, 1):
        for ap in range(aps):
            whole_m, through = (so_far_m[ap, :, None] + onward_m).min(0)
            better = whole_m < length_m[ap] - _TIE_M
            length_m[ap] = whole_m.where(better, length_m[ap])
            number[ap, better] = float(passed)
            first[ap] = start[ap, through].where(better, first[ap])
            last[ap] = through.where(better, last[ap])
    none = length_m >= _NO_WAY_M - _TIE_M
    return Ways(length_m=length_m.masked_fill(none, torch.inf), corners=number, first=first, last=last)
