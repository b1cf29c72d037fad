"""What the map says of every link of a site: the straight line, the way round corners, the walls about the place."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import SPEED_OF_LIGHT, db_to_linear
from twin_envs.twin.map.corners import Corners, corners_of
from twin_envs.twin.map.element import element_gain_db
from twin_envs.twin.map.profile import Profile, knife_edge_db, profile
from twin_envs.twin.map.skyline import Skyline, skyline_of
from twin_envs.twin.map.walls import walls, walls_towards
from twin_envs.twin.map.ways import Ways, ways_round
from twin_envs.twin.quadrature import wrapped
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.recipe import SiteRecipe
from twin_envs.world.store.site import Site, kept_by_site

_CORNER_M = 3.0
"""Height above the ground at which an AP sees a corner or does not."""
_BARELY_M = 1.0
"""A corner is seen past what blocks no more: it stands against a wall."""
_NO_WAY = 4.0
"""Where no way leads, it is taken to be so many times as long as the straight line."""
_NEAREST_M = 2.0
_CHUNK = 8192


@dataclass(frozen=True, kw_only=True)
class MapFeatures(Constant):
    """What the map says of links from A access points to C grid points, float32 [A, C] each if not said otherwise.

    Attributes:
        geometry: of the site.
        boresight_rad: azimuth of each AP [A].
        distance_m, level_m: to the place, at least 1 m, and in the plane.
        straight_rad: azimuth of the straight line off the AP's boresight.
        below_rad: angle of the straight line below the horizon.
        element_db: gain of the AP's element along it.
        in_sight: whether the ends see each other, bool.
        blocked_m, obstacles, first_m, last_m, highest_m: what stands on the straight line, see `Profile`.
        over_roofs_db: loss over the worst edge above it.
        corners: how many the shortest way along the streets goes round; 0 in sight, one more than `MOST_CORNERS` where
            no way leads.
        way_m: its length; the distance in sight, four times that where no way leads.
        first_leg_m, last_leg_m: to its first corner and from its last; the distance in sight or where no way leads.
        turn_rad: from the way's first leg to its last, 0 to pi.
        first_corner_element_db: gain of the AP's element towards the first corner.
        scattered: what corners that both ends see pass on, the element's gain over both squared distances summed.
        azimuth_rad: of departure off the boresight, and of arrival, along the straight line or the way round corners,
            [A, C, 2].
        walls_m: from the place to the next wall towards the AP, and then counter-clockwise, [A, C, 8].
    """

    geometry: Geometry
    boresight_rad: torch.Tensor
    distance_m: torch.Tensor
    level_m: torch.Tensor
    straight_rad: torch.Tensor
    below_rad: torch.Tensor
    element_db: torch.Tensor
    in_sight: torch.Tensor
    blocked_m: torch.Tensor
    obstacles: torch.Tensor
    first_m: torch.Tensor
    last_m: torch.Tensor
    highest_m: torch.Tensor
    over_roofs_db: torch.Tensor
    corners: torch.Tensor
    way_m: torch.Tensor
    first_leg_m: torch.Tensor
    last_leg_m: torch.Tensor
    turn_rad: torch.Tensor
    first_corner_element_db: torch.Tensor
    scattered: torch.Tensor
    azimuth_rad: torch.Tensor
    walls_m: torch.Tensor


@kept_by_site
def map_features(site: Site) -> MapFeatures:
    """What the map of a site says of its links; of each site it is read once."""
    return read_map(skyline_of(site), site.geometry, site.recipe)


def read_map(skyline: Skyline, geometry: Geometry, recipe: SiteRecipe) -> MapFeatures:
    """What a map says of the links of a site.

    Args:
        skyline: the map.
        geometry: grid points and access points.
        recipe: of which yaw, downtilt and element of the access points count.
    """
    corners, ap_m, point_m = corners_of(skyline), geometry.ap_position_m, geometry.point_m
    wavelength_m = SPEED_OF_LIGHT / geometry.carrier_hz
    corner_m = geometry.ground.place(corners.place_m).float()
    corner_m[:, 2] += _CORNER_M - geometry.ground.ue_height_m
    ap_sees = torch.stack([_lines(skyline, ap, corner_m, wavelength_m).blocked_m <= _BARELY_M for ap in ap_m])
    corner_db, element_db = (element_gain_db(recipe, towards_m) for towards_m in (corner_m, point_m))
    ways = ways_round(corners, ap_m[:, :2], ap_sees, point_m[:, :2])
    scattered = _scattered(corners, corner_m, ap_m, ap_sees, corner_db, point_m)
    boresight_rad = torch.tensor([ap.yaw_rad for ap in recipe.access_points], device=point_m.device)
    walls_m, links = walls(skyline, point_m[:, :2]), []
    for ap, place_m in enumerate(ap_m):
        line = _lines(skyline, place_m, point_m, wavelength_m)
        way = Ways(**{name: value[ap] for name, value in vars(ways).items()})
        straight = {
            "in_sight": line.in_sight,
            "over_roofs_db": knife_edge_db(line.edge),
            "element_db": element_db[ap],
            "scattered": scattered[ap],
            "walls_m": walls_towards(geometry, ap, walls_m),
            **{name: value for name, value in vars(line).items() if name != "edge"},
        }
        links.append(straight | _ends(line, way, corners, corner_db[ap], element_db[ap], place_m, point_m))
    told = {name: torch.stack([link[name] for link in links]) for name in links[0]}
    told["azimuth_rad"] = wrapped(told["azimuth_rad"] - torch.stack([boresight_rad, 0 * boresight_rad], -1)[:, None])
    told["straight_rad"] = wrapped(told["straight_rad"] - boresight_rad[:, None])
    return MapFeatures(geometry=geometry, boresight_rad=boresight_rad, **told)


def _ends(
    line: Profile,
    way: Ways,
    corners: Corners,
    corner_db: torch.Tensor,
    element_db: torch.Tensor,
    ap_m: torch.Tensor,
    point_m: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """How links of one AP at `ap_m` [3] leave it and arrive at points [N, 3]; azimuths from x."""
    away = point_m - ap_m
    distance_m, straight = away.norm(dim=-1).clamp_min(1.0), away[:, :2]
    led = way.length_m.isfinite()
    bent = ~line.in_sight & led
    leaving, arriving, first_db = straight, straight, element_db
    if len(corners.place_m):
        leaving = (corners.place_m[way.first] - ap_m[:2]).where(bent[:, None], straight)
        arriving = (point_m[:, :2] - corners.place_m[way.last]).where(bent[:, None], straight)
        first_db = corner_db[way.first].where(led, element_db)
    turn = torch.atan2(
        leaving[:, 0] * arriving[:, 1] - leaving[:, 1] * arriving[:, 0], (leaving * arriving).sum(-1)
    ).abs()
    return {
        "distance_m": distance_m,
        "level_m": straight.norm(dim=-1),
        "straight_rad": torch.atan2(straight[:, 1], straight[:, 0]),
        "below_rad": torch.atan2(-away[:, 2], straight.norm(dim=-1)),
        "corners": way.corners.where(~line.in_sight, 0.0),
        "way_m": torch.where(line.in_sight, distance_m, torch.where(led, way.length_m, _NO_WAY * distance_m)),
        "first_leg_m": leaving.norm(dim=-1),
        "last_leg_m": arriving.norm(dim=-1),
        "turn_rad": turn,
        "first_corner_element_db": first_db,
        "azimuth_rad": torch.stack(
            [torch.atan2(leaving[:, 1], leaving[:, 0]), torch.atan2(-arriving[:, 1], -arriving[:, 0])], -1
        ),
    }


def _lines(skyline: Skyline, from_m: torch.Tensor, to_m: torch.Tensor, wavelength_m: float) -> Profile:
    return profile(skyline, from_m.expand(len(to_m), -1), to_m, wavelength_m)


def _scattered(
    corners: Corners,
    corner_m: torch.Tensor,
    ap_m: torch.Tensor,
    ap_sees: torch.Tensor,
    corner_db: torch.Tensor,
    point_m: torch.Tensor,
) -> torch.Tensor:
    """See `MapFeatures.scattered`, [A, C]."""
    lit = db_to_linear(corner_db) * ap_sees / torch.cdist(ap_m, corner_m).clamp_min(_NEAREST_M).square()
    found = []
    for some_m in point_m[:, :2].split(_CHUNK):
        away_m = torch.cdist(corners.place_m, some_m).clamp_min(_NEAREST_M)
        found.append(lit @ (corners.see(some_m) / away_m.square()))
    return torch.cat(found, 1)
