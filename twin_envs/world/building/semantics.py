"""What the map says: where people and vehicles can be, which ways they take, and how much of the sky they see.

Offline: used when a site is built. Rasters are [ny, nx], row along y, column along x; the centre of cell [0, 0] lies at
the origin given, cells are squares with side `step_m`. Beyond its edge a raster counts as open ground, so take
clearance and sky view of a raster with some 50 m more on each side and cut the site's area out of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from twin_envs.base.errors import ConfigurationError, check_number

Raster = NDArray[np.float32]
Mask = NDArray[np.bool_]

_OBSTACLE_M = 0.5  # lower things than this are ground
_UNDER_M = 1.0  # what rises to less than this below a UE's antenna is in its way, as what is at a person's knees
_DETAIL_M = 0.25  # paths are checked against the mask this densely
_ATTEMPTS = 20  # pairs of ends tried for each route that is wanted
_MISSES = 60  # pairs in a row of which no route comes, after which there is no more room


def buildings(height_m: Raster, observer_m: float = _OBSTACLE_M + _UNDER_M) -> Mask:
    """Cells that no UE can be in whose antenna is `observer_m` above the ground (NaN and 0 are ground).

    For people that is whatever rises above the ground; for a UE that flies, what rises to its height.
    """
    return np.nan_to_num(height_m, nan=0.0) > max(_OBSTACLE_M, observer_m - _UNDER_M)


def clearance_m(building: Mask, step_m: float) -> Raster:
    """Distance from each cell's centre to the nearest building's edge [m]; 0 inside, infinite if there is none."""
    check_number("step_m", step_m, 0.01, 100.0)
    if not building.any():
        return np.full(building.shape, np.inf, np.float32)
    to_centre = ndimage.distance_transform_edt(~building, sampling=step_m)
    return np.maximum(to_centre - 0.5 * step_m, 0.0).astype(np.float32)


def walking_area(clearance: Raster, least_clearance_m: float = 0.7) -> Mask:
    """Where a person can be: clear of walls, and in one piece with the streets (courtyards without a way in are not).

    Args:
        clearance: [ny, nx], see `clearance_m`.
        least_clearance_m: room that a person needs to a wall, half of 1.4 m of footway at least.
    """
    return _largest_piece(clearance >= least_clearance_m)


def driving_area(
    clearance: Raster, walking: Mask, step_m: float, least_clearance_m: float = 2.5, street_width_m: float = 7.0
) -> Mask:
    """Where a vehicle can be: where people are, in streets wide enough, away from walls, with a way in from outside.

    A vehicle has driven there, so only pieces that reach the raster's edge count.

    Args:
        clearance: [ny, nx], see `clearance_m`.
        walking: [ny, nx], see `walking_area`.
        step_m: side of a cell.
        least_clearance_m: from the vehicle's middle to a wall; a footway of 1.5 m and half a vehicle.
        street_width_m: least distance from wall to wall. A cell belongs to a wide street if a disc of this diameter
            that touches no building covers it.
    """
    centre = clearance >= 0.5 * street_width_m
    if not centre.any():
        return np.zeros_like(walking)
    wide = ndimage.distance_transform_edt(~centre, sampling=step_m) <= 0.5 * street_width_m
    label, _ = ndimage.label(walking & wide & (clearance >= least_clearance_m))
    at_edge = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    return np.isin(label, at_edge[at_edge > 0])


def sky_view(
    height_m: Raster,
    step_m: float,
    observer_m: float = 1.5,
    azimuths: int = 16,
    reach_m: float = 200.0,
    ground_m: Raster | float = 0.0,
) -> Raster:
    """Fraction of the sky hemisphere's solid angle that is visible from each cell, 0 inside buildings.

    In each azimuth the horizon is the steepest elevation e of any surface within reach; a slice of the hemisphere above
    elevation e holds 1 - sin e of the slice's solid angle.

    Args:
        height_m: [ny, nx], height of the highest surface above the ground (NaN or 0: ground).
        step_m: side of a cell.
        observer_m: height of the eye above the ground.
        azimuths: directions that are scanned.
        reach_m: how far.
        ground_m: height of the ground, [ny, nx] or that of level ground.
    """
    check_number("azimuths", azimuths, 4, 360, integer=True)
    height = np.nan_to_num(height_m, nan=0.0).astype(np.float32)
    ny, nx = height.shape
    reach = min(int(reach_m / step_m), max(ny, nx))
    ground = np.broadcast_to(np.asarray(ground_m, np.float32), height.shape)
    padded = np.pad(height + ground - np.float32(observer_m), reach, constant_values=-np.inf)
    visible = np.zeros_like(height)
    for azimuth in np.arange(azimuths) * 2.0 * math.pi / azimuths:
        slope = np.zeros_like(height)
        for distance in range(1, reach + 1):
            dx, dy = round(distance * math.cos(azimuth)), round(distance * math.sin(azimuth))
            window = padded[reach + dy : reach + dy + ny, reach + dx : reach + dx + nx]
            np.maximum(slope, (window - ground) / np.float32(step_m * math.hypot(dx, dy)), out=slope)
        visible += 1.0 - slope / np.sqrt(1.0 + slope * slope)
    return np.where(buildings(height, observer_m), np.float32(0.0), visible / np.float32(azimuths))


class RouteArrays(NamedTuple):
    """Routes as arrays, in the order in which `mobility.Routes` takes them."""

    points: NDArray[np.float32]
    """[R, V, 2] vertices [m], 1 m apart along the route, padded by repeating the last one."""
    length_m: NDArray[np.float32]
    """[R] lengths, whole metres."""
    kind: NDArray[np.int64]
    """[R] 0 walking, 1 driving."""


@dataclass(frozen=True, kw_only=True)
class _Traveller:
    """How one kind of traveller chooses its way."""

    kind: int
    wall_m: float  # at this distance from a wall a metre costs twice as much as in the open
    wander: float  # standard deviation of the logarithm of what each traveller finds the ground to cost
    smoothing_m: tuple[float, ...]  # standard deviations of the smoothing, the first that stays in the mask is used


_WALKER = _Traveller(kind=0, wall_m=1.0, wander=0.4, smoothing_m=(2.0, 1.0))
_DRIVER = _Traveller(kind=1, wall_m=6.0, wander=0.0, smoothing_m=(5.0, 3.5, 2.5))
_WANDER_SCALE_M = 5.0


def build_routes(
    clearance: Raster,
    walking: Mask,
    driving: Mask,
    step_m: float,
    origin_m: tuple[float, float],
    generator: np.random.Generator,
    *,
    num_walking: int,
    num_driving: int,
    least_length_m: float = 60.0,
) -> RouteArrays:
    """Ways that people and vehicles take: cheapest paths between random places far apart, smoothed, in steps of 1 m.

    Vehicles keep to the middle of the street; each walker weighs the ground in its own way. Every point of every
    route lies in the mask. There are fewer routes than asked for where the masks have no room for more.

    Args:
        clearance: [ny, nx], see `clearance_m`.
        walking: [ny, nx], see `walking_area`.
        driving: [ny, nx], see `driving_area`.
        step_m: side of a cell.
        origin_m: (x, y) of the centre of cell [0, 0].
        generator: chooses the places.
        num_walking: routes for people.
        num_driving: routes for vehicles.
        least_length_m: length of the shortest route allowed.

    Raises:
        ConfigurationError: if a number is out of range, or the masks have no room for a single route.
    """
    check_number("num_walking", num_walking, 0, 100_000, integer=True)
    check_number("num_driving", num_driving, 0, 100_000, integer=True)
    check_number("num_walking + num_driving", num_walking + num_driving, 1, 200_000, integer=True)
    check_number("least_length_m", least_length_m, 2.0, 10_000.0)
    routes: list[NDArray[np.float64]] = []
    kinds: list[int] = []
    for traveller, mask, count in ((_WALKER, walking, num_walking), (_DRIVER, driving, num_driving)):
        found = _routes_of(traveller, mask, clearance, step_m, generator, count, least_length_m)
        routes += found
        kinds += [traveller.kind] * len(found)
    if not routes:
        span_m = [step_m * float(np.ptp(axis)) if len(axis) else 0.0 for axis in np.nonzero(walking | driving)[::-1]]
        raise ConfigurationError(
            f"routes.least_length_m must be a length for which the streets have room, from 10.0 to less than "
            f"{least_length_m}, got {least_length_m}: no way so long is in the area, whose streets span "
            f"{span_m[0]:.0f} m x {span_m[1]:.0f} m"
        )
    length = np.array([len(route) - 1 for route in routes])
    index = np.minimum(np.arange(length.max() + 1), length[:, None])
    points = np.stack([route[i] for route, i in zip(routes, index, strict=True)]) + np.asarray(origin_m)
    return RouteArrays(points.astype(np.float32), length.astype(np.float32), np.array(kinds, dtype=np.int64))


def _routes_of(
    traveller: _Traveller,
    mask: Mask,
    clearance: Raster,
    step_m: float,
    generator: np.random.Generator,
    count: int,
    least_length_m: float,
) -> list[NDArray[np.float64]]:
    """Up to `count` routes [V, 2] (x, y) [m] from the centre of cell [0, 0]."""
    rows, columns = np.nonzero(mask)
    places = np.stack([columns, rows], axis=1).astype(np.float64) * step_m
    edges = _edges(mask, step_m)
    base = 1.0 + (traveller.wall_m / np.maximum(clearance, _DETAIL_M)) ** 2
    found: list[NDArray[np.float64]] = []
    misses = 0
    for _ in range(_ATTEMPTS * count if len(places) else 0):
        if len(found) == count or misses == _MISSES:
            break
        noise = ndimage.gaussian_filter(generator.standard_normal(mask.shape), _WANDER_SCALE_M / step_m)
        cost = (base * np.exp(traveller.wander * noise / noise.std()))[mask]
        route = _route(traveller, mask, step_m, generator, places, _graph(edges, cost), least_length_m)
        misses = misses + 1 if route is None else 0
        if route is not None:
            found.append(route)
    return found


def _route(
    traveller: _Traveller,
    mask: Mask,
    step_m: float,
    generator: np.random.Generator,
    places: NDArray[np.float64],
    graph: sparse.csr_array,
    least_length_m: float,
) -> NDArray[np.float64] | None:
    """One route between two random places, in the farther half from each other; None if none comes of them."""
    start = int(generator.integers(len(places)))
    straight = np.hypot(*(places - places[start]).T)
    if straight.max() < least_length_m:
        return None
    cost, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    reached = np.isfinite(cost)
    apart = np.where(reached, straight, -1.0)
    far = np.flatnonzero(apart >= max(least_length_m, float(np.median(apart[reached]))))
    if len(far) == 0:
        return None
    path = [int(generator.choice(far))]
    while path[-1] != start:
        path.append(before[path[-1]])
    dense = _resample(places[path[::-1]], _DETAIL_M)
    for smoothing in traveller.smoothing_m:
        smooth = ndimage.gaussian_filter1d(dense, smoothing / _DETAIL_M, axis=0, mode="nearest")
        smooth = _resample(smooth, _DETAIL_M)
        column, row = np.rint(smooth / step_m).astype(int).T
        if mask[row, column].all():
            route = _resample(smooth, 1.0)
            return route if len(route) - 1 >= least_length_m else None
    return None


def _edges(mask: Mask, step_m: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of neighbouring cells, eight to a cell, and their distance. Diagonals do not cut corners."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(np.count_nonzero(mask))
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    square = (a >= 0) & (b >= 0) & (c >= 0) & (d >= 0)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    pairs = [(p[(p >= 0) & (q >= 0)], q[(p >= 0) & (q >= 0)]) for p, q in pairs]
    pairs += [(a[square], d[square]), (b[square], c[square])]
    distance = np.repeat([step_m, step_m, math.sqrt(2.0) * step_m, math.sqrt(2.0) * step_m], [len(p) for p, _ in pairs])
    return np.concatenate([p for p, _ in pairs]), np.concatenate([q for _, q in pairs]), distance


def _graph(
    edges: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], cost: NDArray[np.float64]
) -> sparse.csr_array:
    a, b, distance = edges
    return sparse.csr_array((distance * 0.5 * (cost[a] + cost[b]), (a, b)), shape=(len(cost), len(cost)))


def _resample(path: NDArray[np.float64], spacing_m: float) -> NDArray[np.float64]:
    """Points `spacing_m` apart along a polyline [V, 2]; what is left over at its end is dropped."""
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = np.arange(math.floor(arc[-1] / spacing_m) + 1) * spacing_m
    return np.stack([np.interp(at, arc, path[:, axis]) for axis in (0, 1)], axis=1)


def _largest_piece(mask: Mask) -> Mask:
    """The largest 4-connected piece of a mask."""
    label, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return label == 1 + int(np.argmax(np.bincount(label.ravel())[1:]))
