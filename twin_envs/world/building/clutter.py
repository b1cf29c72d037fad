"""What reality holds and the twin omits: trees, vehicles, street furniture, materials, AP pointing errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

_FOLIAGE_HZ = 3.5e9
"""Carrier to which the two numbers below belong."""
_FOLIAGE_LOSS_DB_M = 1.0
"""Specific attenuation in leaf [dB/m], of the order that ITU-R P.833 gives for woodland. It rises in proportion to the
frequency: from 0.2 dB/m at 1 GHz to 6 dB/m at 30 GHz (P.833, figure 2)."""
_FOLIAGE_LOSS_LIMIT_DB = 22.0
"""Most that foliage takes from a path [dB]: beyond it the wave goes round the crowns (ITU-R P.833, A_m). What goes
round an edge, deep in its shadow, has a power in proportion to the wavelength (ITU-R P.526, knife edge)."""
_OVER_M = 1.0
"""Who is so far above a box flies over it."""
_PIECE_M, _SLACK_M = 20.0, 1e-6
"""Long segments are looked up piece by piece; distances are compared with so much to spare."""


@dataclass(frozen=True)
class GapLevel:
    """Numbers per hectare of street, and spreads, of what the twin omits; by default nothing.

    `car_m` and `van_m` are length, width and height of vehicles, one in four of which is of the second kind.
    """

    trees_per_ha: float = 0
    vehicles_per_ha: float = 0
    furniture_per_ha: float = 0
    scattering_coefficient: float = 0.0
    thickness_ratio: float = 1.0
    yaw_error_rad: float = 0.0
    car_m: tuple[float, float, float] = (4.4, 1.8, 1.5)
    van_m: tuple[float, float, float] = (6.5, 2.2, 2.9)

    @property
    def indoors(self) -> GapLevel:
        """The same in a hall: no trees, and for cars and vans trolleys and forklifts."""
        return replace(self, trees_per_ha=0, car_m=(2.4, 1.2, 1.6), van_m=(3.4, 1.3, 2.2))

    @property
    def diffuse(self) -> bool:
        """Whether walls scatter."""
        return self.scattering_coefficient > 0


LEVELS = {  # trees, vehicles and furniture per hectare, scattering coefficient, thickness ratio, yaw error [rad]
    "none": GapLevel(),
    "mild": GapLevel(15, 15, 8, 0.15, 1.5, 0.02),
    "typical": GapLevel(50, 55, 30, 0.4, 2.5, 0.08),
    "severe": GapLevel(100, 100, 60, 0.45, 3.5, 0.15),
}


@dataclass(frozen=True, kw_only=True)
class Clutter:
    """Everything placed in the street.

    Attributes:
        vehicles, furniture: boxes float64 [N, 7]: centre x, y, z, length, width, height [m], yaw [rad].
        crowns: tree crowns, spheres float64 [T, 4]: centre x, y, z, radius [m].
        yaw_error_rad: pointing error of each AP [rad].
    """

    vehicles: np.ndarray
    furniture: np.ndarray
    crowns: np.ndarray
    yaw_error_rad: np.ndarray

    def raised(self, ground_m: Callable[[np.ndarray], np.ndarray]) -> Clutter:
        """The same on ground whose height [N] at points [N, 2] is `ground_m` of these."""
        kinds = {"vehicles": self.vehicles, "furniture": self.furniture, "crowns": self.crowns}
        risen = {
            name: things + np.pad(ground_m(things[:, :2])[:, None], ((0, 0), (2, things.shape[1] - 3)))
            for name, things in kinds.items()
        }
        return replace(self, **risen)

    @property
    def boxes(self) -> np.ndarray:
        """All boxes, float64 [N, 7]."""
        return np.concatenate([self.vehicles, self.furniture])


def no_clutter(aps: int) -> Clutter:
    """Nothing in the street, and access points that point where the recipe says."""
    boxes = np.zeros((0, 7))
    return Clutter(vehicles=boxes, furniture=boxes, crowns=np.zeros((0, 4)), yaw_error_rad=np.zeros(aps))


def draw_clutter(
    level: GapLevel,
    street: np.ndarray,
    clearance_m: np.ndarray,
    x_m: np.ndarray,
    y_m: np.ndarray,
    keep_clear_m: np.ndarray,
    rng: np.random.Generator,
) -> Clutter:
    """Place objects on the street.

    Args:
        level: how many of them.
        street: bool [ny, nx], True where there is street.
        clearance_m: distance to the nearest building [ny, nx].
        x_m, y_m: coordinates of the raster's columns and rows.
        keep_clear_m: points [K, 2] that no object may come closer to than 3 m (the APs and their masts).
        rng: draws the places.

    Vehicles are parked along the kerb (2 to 4 m from a building) parallel to it, one in four tall (a van or lorry);
    furniture stands close to buildings, trees where there is room for a crown.
    """
    hectares = street.sum() * abs((x_m[1] - x_m[0]) * (y_m[1] - y_m[0])) / 1e4

    def places(count: float, low_m: float, high_m: float) -> tuple[np.ndarray, np.ndarray]:
        """Points [K, 2] for `count` objects per hectare so far from buildings, and the directions along these [K]."""
        rows, columns = np.nonzero(street & (clearance_m >= low_m) & (clearance_m <= high_m))
        points = np.stack([x_m[columns], y_m[rows]], -1)
        distance = np.linalg.norm(points[:, None] - keep_clear_m[None], axis=-1).min(-1)
        free = np.flatnonzero(distance > 3.0)
        chosen = rng.choice(free, size=min(round(count * hectares), len(free)), replace=False)
        slope_y, slope_x = np.gradient(clearance_m, y_m, x_m)
        along = np.arctan2(slope_y[rows, columns], slope_x[rows, columns]) + np.pi / 2
        return points[chosen], along[chosen]

    spots, along = places(level.vehicles_per_ha, 2.0, 4.0)
    tall = rng.random(len(spots)) < 0.25
    size = np.where(tall[:, None], level.van_m, level.car_m)
    vehicles = np.column_stack([spots, 0.25 + size[:, 2] / 2, size, along])
    spots, along = places(level.furniture_per_ha, 1.0, 6.0)
    size = rng.uniform((0.3, 0.3, 1.8), (2.0, 1.2, 3.0), (len(spots), 3))
    furniture = np.column_stack([spots, size[:, 2] / 2, size, along])
    spots, _ = places(level.trees_per_ha, 3.0, 30.0)
    radius = rng.uniform(1.5, 3.0, len(spots))
    crowns = np.column_stack([spots, radius + rng.uniform(1.8, 3.0, len(spots)), radius])
    yaw_error_rad = level.yaw_error_rad * rng.standard_normal(len(keep_clear_m))
    return Clutter(vehicles=vehicles, furniture=furniture, crowns=crowns, yaw_error_rad=yaw_error_rad)


def box_mesh(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One triangle mesh of N boxes: vertices float32 [8 N, 3] and faces uint32 [12 N, 3], normals outwards."""
    corner = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    faces = np.array(
        [
            [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
            [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
        ]
    )  # fmt: skip
    local = corner[None] * boxes[:, None, 3:6]
    cos, sin = np.cos(boxes[:, 6:7]), np.sin(boxes[:, 6:7])
    turned = np.stack([local[..., 0] * cos - local[..., 1] * sin, local[..., 0] * sin + local[..., 1] * cos], -1)
    vertices = np.concatenate([turned, local[..., 2:]], -1) + boxes[:, None, :3]
    offsets = 8 * np.arange(len(boxes))[:, None, None]
    return vertices.reshape(-1, 3).astype(np.float32), (faces[None] + offsets).reshape(-1, 3).astype(np.uint32)


def _pairs_within(centres_m: np.ndarray, reach_m: np.ndarray, places_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of `places_m` [N, D] lie within `reach_m` [M] of which `centres_m` [M, D]: centre and place of each pair.

    Pairs come centre after centre. In a town nearly all are too far apart, so all of them are never compared.
    """
    found = cKDTree(places_m).query_ball_point(centres_m, reach_m)
    return np.repeat(np.arange(len(found)), [len(each) for each in found]), np.concatenate(found).astype(int)


def occupied(boxes: np.ndarray, points_m: np.ndarray, margin_m: float) -> np.ndarray:
    """Bool [N]: which of `points_m` [N, 2 or 3] lie within `margin_m` of a box's footprint, and not well above it."""
    taken = np.zeros(len(points_m), dtype=bool)
    if not len(boxes) or not len(points_m):
        return taken
    half_m = boxes[:, 3:5] / 2 + margin_m
    box, point = _pairs_within(boxes[:, :2], np.hypot(*half_m.T) + _SLACK_M, points_m[:, :2])
    offset = points_m[point, :2] - boxes[box, :2]
    cos, sin = np.cos(boxes[box, 6]), np.sin(boxes[box, 6])
    along = np.abs(offset[:, 0] * cos + offset[:, 1] * sin)
    across = np.abs(offset[:, 1] * cos - offset[:, 0] * sin)
    inside = (along < half_m[box, 0]) & (across < half_m[box, 1])
    if points_m.shape[1] == 3:
        inside &= points_m[point, 2] < boxes[box, 2] + boxes[box, 5] / 2 + _OVER_M
    taken[point[inside]] = True
    return taken


def foliage_loss_db(start_m: np.ndarray, end_m: np.ndarray, crowns: np.ndarray, carrier_hz: float) -> np.ndarray:
    """Loss [dB] of straight segments through tree crowns: specific attenuation times the chord inside them.

    Args:
        start_m, end_m: segments [S, 3].
        crowns: spheres [T, 4].
        carrier_hz: higher carriers lose more.

    Returns:
        float64 [S], 1 dB/m and at most 22 dB at 3.5 GHz, 8 dB/m and at most 31 dB at 28 GHz (ITU-R P.833, P.526).
    """
    if not len(crowns) or not len(start_m):
        return np.zeros(len(start_m))
    ratio = carrier_hz / _FOLIAGE_HZ
    length = np.linalg.norm(end_m - start_m, axis=-1)
    direction = (end_m - start_m) / np.maximum(length, 1e-9)[:, None]
    crown, segment = _near_crowns(start_m, end_m, length, crowns)
    towards, radius = crowns[crown, :3] - start_m[segment], crowns[crown, 3]
    along, length = (towards * direction[segment]).sum(-1), length[segment]
    half = np.sqrt(np.maximum(radius**2 - ((towards**2).sum(-1) - along**2), 0.0))
    chord = np.clip(along + half, 0.0, length) - np.clip(along - half, 0.0, length)
    loss = np.bincount(segment, _FOLIAGE_LOSS_DB_M * ratio * chord, minlength=len(start_m))
    return np.minimum(loss, _FOLIAGE_LOSS_LIMIT_DB + 10 * np.log10(ratio))


def _near_crowns(
    start_m: np.ndarray, end_m: np.ndarray, length_m: np.ndarray, crowns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of crown and segment that may meet, crown after crown: a crown reaches the middle of one of its pieces."""
    pieces = np.maximum(np.ceil(length_m / _PIECE_M), 1).astype(int)
    segment = np.repeat(np.arange(len(pieces)), pieces)
    piece = np.arange(len(segment)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = ((piece + 0.5) / pieces[segment])[:, None]
    middle_m = (1 - share) * start_m[segment] + share * end_m[segment]
    crown, place = _pairs_within(crowns[:, :3], crowns[:, 3] + _PIECE_M / 2 + _SLACK_M, middle_m)
    return np.divmod(np.unique(crown * len(pieces) + segment[place]), len(pieces))
