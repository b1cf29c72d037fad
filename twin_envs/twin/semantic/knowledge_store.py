"""The knowledge store of environment features: what the map says of every link, computed once from the map alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import linear_to_db
from twin_envs.twin.map.features import MapFeatures, map_features
from twin_envs.twin.map.ways import MOST_CORNERS
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site, kept_by_site

TERMS = (
    "log_distance",
    "in_sight",
    "in_sight_log_distance",
    "in_sight_element_db",
    "hidden_element_db",
    "over_roofs_db",
    "log_blocked",
    "obstacles",
    "corners",
    "log_detour",
    "first_corner_element_db",
    "scattered_db",
)
"""What is known of a link; all but the first four are 0 where its ends see each other.

Decades of the distance; the gain of the AP's element along the straight line; the loss over the worst edge above that
line; decades of how much of it is blocked, and by how many obstacles; how many corners the shortest way along the
streets goes round, decades of the detour, and the gain of the element towards the first of them; and what corners that
both ends see would scatter.
"""
_DETOUR_M = (0.1, 300.0)
_MOST_OBSTACLES = 8.0
_LEAST_SCATTERED = 10**-10.5
_CHUNK = 8192


@dataclass(frozen=True, kw_only=True)
class EnvironmentFeatures(Constant):
    """What the map says of links from A access points to C grid points.

    Attributes:
        geometry: of the site.
        terms: in the order of `TERMS`, float32 [A, C, T].
        azimuth_rad: of departure and arrival, along the straight line or the way round corners, float32 [A, C, 2].
    """

    geometry: Geometry
    terms: torch.Tensor
    azimuth_rad: torch.Tensor

    def at(self, position_m: torch.Tensor, ap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Terms [N, T] and azimuths [N, 2] at the grid points nearest to `position_m` [N, 2], to `ap` int64 [N]."""
        cell = self.geometry.cell(position_m)
        off = (cell < 0).nonzero()[:, 0]
        for some in off.split(_CHUNK):
            cell[some] = torch.cdist(position_m[some], self.geometry.point_m[:, :2]).argmin(-1)
        return self.terms[ap, cell], self.azimuth_rad[ap, cell]


@kept_by_site
def environment_features(site: Site) -> EnvironmentFeatures:
    """What the map of a site says of its links; of each site it is computed once."""
    return environment_of(map_features(site))


def environment_of(told: MapFeatures) -> EnvironmentFeatures:
    """The same of any map that has been read, such as one that is not the site's."""
    return EnvironmentFeatures(geometry=told.geometry, terms=_terms(told), azimuth_rad=told.azimuth_rad)


def _terms(told: MapFeatures) -> torch.Tensor:
    """Terms of all links, float32 [A, C, T]."""
    sight, hidden, decades = told.in_sight.float(), (~told.in_sight).float(), told.distance_m.log10()
    # Where no way leads, the detour is the longest that counts.
    detour_m = torch.where(told.corners > MOST_CORNERS, _DETOUR_M[1], told.way_m - told.distance_m).clamp(*_DETOUR_M)
    out_of_sight = [
        told.element_db,
        told.over_roofs_db,
        told.blocked_m.clamp_min(1.0).log10(),
        told.obstacles.clamp_max(_MOST_OBSTACLES),
        told.corners,
        detour_m.log10(),
        told.first_corner_element_db,
        linear_to_db(told.scattered.clamp_min(_LEAST_SCATTERED)),
    ]
    in_sight = [decades, sight, sight * decades, sight * told.element_db]
    return torch.stack([*in_sight, *(hidden * term for term in out_of_sight)], -1)
