"""What the map says of the way from an access point to a place, in numbers for a network."""

from __future__ import annotations

import torch

from twin_envs.twin.neural.corners import round_corners
from twin_envs.twin.neural.line import straight_lines
from twin_envs.twin.neural.town import TownMap
from twin_envs.twin.neural.walls import walls, walls_towards


def surroundings(town: TownMap) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the map says of all links at all grid points.

    Returns:
        what is told to a network, float32 [A, C, 37]: the straight line, the way round corners, and the walls about
        the place; the gain in free space with that of the antenna element [A, C] in dB; whether something stands in
        the straight line, bool [A, C].
    """
    walls_m, told, clear, hidden = walls(town), [], [], []
    for ap in range(len(town.geometry.ap_position_m)):
        line, clear_db, blocked = straight_lines(town, ap)
        corners = round_corners(town.geometry, ap, blocked)
        told.append(torch.cat([line, corners, walls_towards(town.geometry, ap, walls_m)], -1))
        clear.append(clear_db)
        hidden.append(blocked)
    return torch.stack(told), torch.stack(clear), torch.stack(hidden)
