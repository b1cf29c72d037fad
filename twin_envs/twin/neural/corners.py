"""The way round the corners: where it bends, and how long it is.

Round corners is how most of the power comes that does not come straight: along a street, then into the next (Berg, *A
recursive method for street microcell path loss calculations*, 1995).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.atlas.geometry import Geometry

_NO_WAY = 4.0
"""Where no way leads, it is taken to be so many times as long as the straight line."""
_STEPS: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {
    (1, 0): (),
    (0, 1): (),
    (1, 1): ((1, 0), (0, 1)),
    (1, -1): ((1, 0), (0, -1)),
    (2, 1): ((1, 0), (1, 1)),
    (2, -1): ((1, 0), (1, -1)),
    (1, 2): ((0, 1), (1, 1)),
    (1, -2): ((0, -1), (1, -1)),
}
"""From grid point to grid point, half of the sixteen directions, the others are their opposites; and between which grid
points the step leads, that no wall is stepped over."""


def round_corners(geometry: Geometry, ap: int, blocked: torch.Tensor) -> torch.Tensor:
    """The shortest way over the grid from an access point to each grid point, as told to a network, float32 [C, 8].

    Where the AP sees, the way is the straight line. The corner of any other is its last point that the AP sees.

    Args:
        geometry: of the site.
        ap: the access point.
        blocked: whether something stands in the straight line, bool [C].

    Raises:
        ConfigurationError: scipy is missing.
    """
    try:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import dijkstra
    except ImportError as error:
        raise ConfigurationError(
            "channel_twin by a network of the map needs scipy: pip install 'twin-envs[twins]', or choose channel_twin "
            "'neural-coordinates'"
        ) from error
    count, place, start = len(geometry.point_m), geometry.point_m[:, :2], geometry.ap_position_m[ap, :2]
    straight = place - start
    straight_m = straight.norm(dim=-1)
    seen = (~blocked).nonzero()[:, 0] if not blocked.all() else straight_m.argmin()[None]
    one, other, step_m = _steps(geometry)
    # The AP is one more node, a straight line away from all that it sees.
    rows, columns = torch.cat([one, torch.full_like(seen, count)]), torch.cat([other, seen])
    lengths = torch.cat([step_m, straight_m[seen]]).clamp_min(1e-3).double()
    graph = coo_array(
        (lengths.cpu().numpy(), (rows.cpu().numpy(), columns.cpu().numpy())), shape=(count + 1, count + 1)
    )
    way, before = dijkstra(graph.tocsr(), indices=count, return_predecessors=True)
    corner = np.where((before == count) | (before < 0), np.arange(count + 1), before)
    for _ in range(count.bit_length()):  # the corner of the corner is the corner of twice as long a way
        corner = corner[corner]
    at = torch.from_numpy(corner[:count].astype(np.int64)).to(place.device)
    way_m = torch.from_numpy(way[:count]).to(place.device, torch.float32)
    way_m = torch.where(way_m.isfinite(), way_m, _NO_WAY * straight_m)
    to_corner, on = place[at] - start, place - place[at]
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


def _steps(geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Steps from grid point to neighbouring grid point: from, to, and how long."""
    ny, nx = geometry.cell_of.shape
    wide = torch.nn.functional.pad(geometry.cell_of, (2, 2, 2, 2), value=-1)
    starts, ends, lengths = [], [], []

    def beside(east: int, north: int) -> torch.Tensor:
        return wide[2 + north : 2 + north + ny, 2 + east : 2 + east + nx]

    for (east, north), between in _STEPS.items():
        there = beside(east, north)
        both = (geometry.cell_of >= 0) & (there >= 0)
        for way in between:
            both &= beside(*way) >= 0
        one, other = geometry.cell_of[both], there[both]
        length = torch.full((2 * len(one),), math.hypot(east, north) * geometry.grid_m, device=one.device)
        starts.append(torch.cat([one, other]))
        ends.append(torch.cat([other, one]))
        lengths.append(length)
    return torch.cat(starts), torch.cat(ends), torch.cat(lengths)
