"""The way round the corners, in numbers for a network: where it bends, and how long it is.

Round corners is how most of the power comes that does not come straight: along a street, then into the next (Berg, *A
recursive method for street microcell path loss calculations*, 1995).
"""

from __future__ import annotations

import torch

from twin_envs.twin.surroundings.town import Town

_NO_WAY = 4.0
"""Where no way leads, it is taken to be so many times as long as the straight line."""


def round_corners(town: Town, ap: int, blocked: torch.Tensor) -> torch.Tensor:
    """The shortest way from an access point to each grid point, as told to a network, float32 [C, 8].

    Where the AP sees, the way is the straight line. The corner of any other is the first that it goes round.

    Args:
        town: the map.
        ap: the access point.
        blocked: whether something stands in the straight line, bool [C].
    """
    start, place = town.geometry.ap_position_m[ap, :2], town.geometry.point_m[:, :2]
    straight = place - start
    straight_m, length_m = straight.norm(dim=-1), town.ways.length_m[ap]
    bends = blocked & length_m.isfinite()
    at = place.clone()
    at[bends] = town.corners.place_m[town.ways.first[ap, bends]]
    way_m = torch.where(bends, length_m, torch.where(blocked, _NO_WAY, 1.0) * straight_m)
    to_corner, on = at - start, place - at
    first_m, on_m = to_corner.norm(dim=-1), on.norm(dim=-1)
    second_m = (way_m - first_m).clamp_min(0)
    beyond = on_m > 0
    return torch.stack(
        [
            way_m.clamp_min(1).log10(),
            (1 + second_m).log10(),
            (1 + first_m).log10(),
            (1 + (way_m - straight_m).clamp_min(0)).log10(),
            torch.where(beyond, _turn(to_corner, on).abs(), 0.0),
            torch.where(beyond, second_m / on_m.clamp_min(1.0) - 1, 0.0).clamp(0, 3),
            _turn(straight, to_corner),
            torch.where(beyond, _turn(straight, on), 0.0),
        ],
        -1,
    )


def _turn(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Angles from directions `one` to the `other` [N, 2], counter-clockwise, [N]."""
    cross = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return torch.atan2(cross, (one * other).sum(-1))
