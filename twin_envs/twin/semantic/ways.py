"""The shortest ways from access points to places along the streets, round corners."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.semantic.corners import Corners

MOST_CORNERS = 4
"""Behind more corners nothing is left to hear."""
_NO_WAY_M = 1e6
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
    aps, places = len(ap_m), len(place_m)
    length_m = torch.full((aps, places), _NO_WAY_M, device=ap_m.device)
    number = torch.full_like(length_m, MOST_CORNERS + 1)
    first, last = (torch.zeros_like(length_m, dtype=torch.int64) for _ in range(2))
    if not len(corners.place_m):
        return Ways(length_m=length_m.fill_(torch.inf), corners=number, first=first, last=last)
    sees = corners.see(corners.place_m)
    apart_m = torch.cdist(corners.place_m, corners.place_m).where(sees | sees.mT, _NO_WAY_M).fill_diagonal_(_NO_WAY_M)
    onward_m = torch.cdist(corners.place_m, place_m).where(corners.see(place_m), _NO_WAY_M)
    so_far_m = torch.cdist(ap_m, corners.place_m).where(ap_sees, _NO_WAY_M)
    start = torch.arange(len(corners.place_m), device=ap_m.device).expand_as(so_far_m)
    for passed in range(1, MOST_CORNERS + 1):
        for ap in range(aps):
            whole_m, through = (so_far_m[ap, :, None] + onward_m).min(0)
            better = whole_m < length_m[ap] - _TIE_M
            length_m[ap] = whole_m.where(better, length_m[ap])
            number[ap, better] = float(passed)
            first[ap] = start[ap, through].where(better, first[ap])
            last[ap] = through.where(better, last[ap])
        if passed < MOST_CORNERS:
            so_far_m, before = (so_far_m[:, :, None] + apart_m).min(1)
            start = start.gather(1, before)
    none = length_m >= _NO_WAY_M - _TIE_M
    return Ways(length_m=length_m.masked_fill(none, torch.inf), corners=number, first=first, last=last)
