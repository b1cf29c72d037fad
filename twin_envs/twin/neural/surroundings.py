"""What the map says of a link, in numbers for a network."""

from __future__ import annotations

import torch

from twin_envs.twin.map.features import MapFeatures

_EDGE_M = 10.0
"""Whether an obstacle reaches so far over the line or farther makes little difference."""


def surroundings(told: MapFeatures) -> torch.Tensor:
    """What is told to a network of all links: the straight line, the way round corners, and the walls about the place.

    Lengths are told in decades, as gains go with them. Returns float32 [A, C, 40].
    """
    leaving, arriving = told.azimuth_rad.unbind(-1)
    first_turn, last_turn = leaving - told.straight_rad, arriving - told.straight_rad - told.boresight_rad[:, None]
    return torch.stack(
        [
            told.distance_m.log10(),
            told.level_m,
            told.element_db,
            told.straight_rad.cos(),
            told.straight_rad.sin().abs(),
            told.straight_rad.sin(),
            told.below_rad,
            told.in_sight.float(),
            told.over_roofs_db,
            told.blocked_m,
            told.obstacles,
            (1 + told.first_m).log10(),
            (1 + told.last_m).log10(),
            told.corners,
            told.way_m.log10(),
            (1 + told.first_leg_m).log10(),
            (1 + told.last_leg_m).log10(),
            (1 + (told.way_m - told.first_leg_m).clamp_min(0)).log10(),
            (1 + (told.way_m - told.distance_m).clamp_min(0)).log10(),
            told.turn_rad,
            first_turn.sin(),
            last_turn.sin(),
            told.first_corner_element_db,
            told.scattered.clamp_min(1e-11).log10(),
            *(told.highest_m / _EDGE_M).tanh().unbind(-1),
            *told.walls_m.unbind(-1),
        ],
        -1,
    )
