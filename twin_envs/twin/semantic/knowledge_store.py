"""The knowledge store of environment features: what the map says of every link, computed once from the map alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import SPEED_OF_LIGHT, db_to_linear, linear_to_db
from twin_envs.twin.quadrature import wrapped
from twin_envs.twin.semantic.corners import Corners, corners_of
from twin_envs.twin.semantic.element import element_gain_db
from twin_envs.twin.semantic.profile import Profile, knife_edge_db, profile
from twin_envs.twin.semantic.skyline import Skyline, skyline_of
from twin_envs.twin.semantic.ways import MOST_CORNERS, Ways, ways_round
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
_CORNER_M = 3.0
"""Height above the ground at which an AP sees a corner or does not."""
_BARELY_M = 1.0
"""A corner is seen past what blocks no more: it stands against a wall."""
_DETOUR_M = (0.1, 300.0)
_MOST_OBSTACLES = 8.0
_NEAREST_M = 2.0
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
    skyline, geometry = skyline_of(site), site.geometry
    corners = corners_of(skyline)
    ap_m, point_m = geometry.ap_position_m, geometry.point_m
    wavelength_m = SPEED_OF_LIGHT / geometry.carrier_hz
    corner_m = geometry.ground.place(corners.place_m).float()
    corner_m[:, 2] += _CORNER_M - geometry.ground.ue_height_m
    ap_sees = torch.stack([_lines(skyline, ap, corner_m, wavelength_m).blocked_m <= _BARELY_M for ap in ap_m])
    corner_element_db = element_gain_db(site.recipe, corner_m)
    ways = ways_round(corners, ap_m[:, :2], ap_sees, point_m[:, :2])
    scattered = _scattered(corners, corner_m, ap_m, ap_sees, corner_element_db, point_m)
    element_db = element_gain_db(site.recipe, point_m)
    if len(corners.place_m):
        first_db = corner_element_db.gather(1, ways.first).where(ways.length_m.isfinite(), element_db)
    else:
        first_db = element_db
    terms, azimuths = [], []
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points], device=site.device)
    for ap, place_m in enumerate(ap_m):
        line = _lines(skyline, place_m, point_m, wavelength_m)
        way = Ways(**{name: value[ap] for name, value in vars(ways).items()})
        distance_m = (point_m - place_m).norm(dim=-1).clamp_min(1.0)
        terms.append(_terms(line, way, distance_m, element_db[ap], first_db[ap], scattered[ap]))
        straight = point_m[:, :2] - place_m[:2]
        leaving, arriving = straight, straight
        round_corners = ~line.in_sight & way.length_m.isfinite()
        if round_corners.any():
            leaving = (corners.place_m[way.first] - place_m[:2]).where(round_corners[:, None], straight)
            arriving = (point_m[:, :2] - corners.place_m[way.last]).where(round_corners[:, None], straight)
        departure = torch.atan2(leaving[:, 1], leaving[:, 0]) - boresight_rad[ap]
        azimuths.append(wrapped(torch.stack([departure, torch.atan2(-arriving[:, 1], -arriving[:, 0])], -1)))
    return EnvironmentFeatures(geometry=geometry, terms=torch.stack(terms), azimuth_rad=torch.stack(azimuths))


def _lines(skyline: Skyline, from_m: torch.Tensor, to_m: torch.Tensor, wavelength_m: float) -> Profile:
    return profile(skyline, from_m.expand(len(to_m), -1), to_m, wavelength_m)


def _terms(
    line: Profile,
    way: Ways,
    distance_m: torch.Tensor,
    element_db: torch.Tensor,
    first_db: torch.Tensor,
    scattered: torch.Tensor,
) -> torch.Tensor:
    """Terms [N, T] of the links of one access point."""
    sight, hidden, decades = line.in_sight.float(), (~line.in_sight).float(), distance_m.log10()
    detour_m = (way.length_m - distance_m).clamp(*_DETOUR_M)
    out_of_sight = [
        element_db,
        knife_edge_db(line.edge),
        line.blocked_m.clamp_min(1.0).log10(),
        line.obstacles.clamp_max(_MOST_OBSTACLES),
        way.corners.clamp_max(MOST_CORNERS + 1),
        detour_m.log10(),
        first_db,
        linear_to_db(scattered.clamp_min(_LEAST_SCATTERED)),
    ]
    in_sight = [decades, sight, sight * decades, sight * element_db]
    return torch.stack([*in_sight, *(hidden * term for term in out_of_sight)], -1)


def _scattered(
    corners: Corners,
    corner_m: torch.Tensor,
    ap_m: torch.Tensor,
    ap_sees: torch.Tensor,
    corner_element_db: torch.Tensor,
    point_m: torch.Tensor,
) -> torch.Tensor:
    """What corners that both ends see pass on, the element's gain over both squared distances summed, [A, C]."""
    lit = db_to_linear(corner_element_db) * ap_sees / torch.cdist(ap_m, corner_m).clamp_min(_NEAREST_M).square()
    found = []
    for some_m in point_m[:, :2].split(_CHUNK):
        away_m = torch.cdist(corners.place_m, some_m).clamp_min(_NEAREST_M)
        found.append(lit @ (corners.see(some_m) / away_m.square()))
    return torch.cat(found, 1)
