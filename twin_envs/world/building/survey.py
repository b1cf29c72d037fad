"""The survey of a place: what its map says, and whether its recipe can be built, before a ray is traced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import THERMAL_NOISE_DBM_HZ
from twin_envs.world.building.clutter import LEVELS, Clutter, draw_clutter
from twin_envs.world.building.semantics import (
    RouteArrays,
    build_routes,
    buildings,
    clearance_m,
    driving_area,
    sky_view,
    walking_area,
)
from twin_envs.world.building.tracing import Surface
from twin_envs.world.recipe import AccessPoint, SiteRecipe

RASTER_M = 1.0
"""Cell of the map's rasters."""
MARGIN_M = 60.0
"""How far the map reaches beyond the area, for sky view and clearance."""
_ROOM_M = 0.5
"""An AP hangs at least so far above what is below it where a free place is named for it."""
_SLACK_M = 0.01
_NEAR_M = 3.0
"""A UE so far from the nearest grid point still has its paths."""
_BEAMWIDTH_RAD = float(np.radians(65))
"""Of the element of TR 38.901, table 7.3-1: 3 dB down at half of it, 12 dB down at all of it."""
_LEAST_M = 5.0
"""A likely unit is not named for smaller areas, or points nearer to the origin."""
_UNITS = {"millimetres": 1e3, "centimetres": 1e2, "kilometres": 1e-3}


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is known of a site before a ray is traced.

    Attributes:
        tensors: content of the map's file, which the twin knows; it depends on nothing that reality holds beside it.
        clutter: what reality holds beside it.
        line_of_sight: for each AP by name, the share of grid points that it sees past the map's buildings.
        remarks: what is not as the recipe asks, or may not be as its author thinks, in sentences.
    """

    tensors: dict[str, np.ndarray]
    clutter: Clutter
    line_of_sight: dict[str, float]
    remarks: tuple[str, ...]


def survey(recipe: SiteRecipe) -> Survey:
    """Buildings, streets, routes, sky view and grid points from the scene's mesh; and the clutter in the streets.

    Raises:
        ConfigurationError: the recipe cannot be built: its area is not in the scene or has no street, an AP is not in
            the scene or not in the open, no AP sees a place or is strong enough to serve it. The message names field,
            value and range, and what would do.
    """
    surface = Surface(recipe)
    check_area(recipe, surface)
    ground = _ground(recipe, surface)
    for index, ap in enumerate(recipe.access_points):
        _check_place(index, ap, recipe, surface)
    points, cell_of = _grid_points(recipe, ground)
    if not ground.street.any() or not len(points):
        raise ConfigurationError(
            f"area_m must hold a street or another open place that people can reach, got {recipe.area_m!r}: "
            f"{100 * float(buildings(ground.height_m)[ground.inside].mean()):.0f} % of it is built on"
        )
    for index, ap in enumerate(recipe.access_points):
        _check_in_the_open(index, ap, surface, points, ground)
    line_of_sight, remarks = _coverage(recipe, surface, points)
    routes = build_routes(
        ground.clearance_m,
        ground.street,
        driving_area(ground.clearance_m, ground.walkable, RASTER_M) & ground.inside,
        RASTER_M,
        (float(ground.x_m[0]), float(ground.y_m[0])),
        np.random.default_rng(recipe.seed + 1),
        num_walking=recipe.routes.walking,
        num_driving=recipe.routes.driving,
        least_length_m=recipe.routes.least_length_m,
    )
    x0, y0, x1, y1 = recipe.area_m
    rows, columns = (
        slice(*np.searchsorted(axis_m, (low, high + RASTER_M / 2)))
        for axis_m, low, high in ((ground.y_m, y0, y1), (ground.x_m, x0, x1))
    )
    sky = sky_view(ground.height_m, RASTER_M, recipe.ue_height_m, ground_m=ground.ground_m)
    sky[surface.covered(ground.x_m, ground.y_m)] = 0.0
    tensors: dict[str, np.ndarray] = {
        "height_m": ground.height_m[rows, columns].astype(np.float16),
        "sky_view": sky[rows, columns].astype(np.float16),
        "route_points_cm": _smallest(np.round(100 * routes.points)),
        "route_length_m": routes.length_m,
        "route_kind": routes.kind,
        "point_m": points.astype(np.float32),
        "cell_of": cell_of.astype(np.int32),
    }
    if ground.ground_m[rows, columns].any():
        tensors["ground_m"] = ground.ground_m[rows, columns].copy()
    return Survey(
        tensors=tensors,
        clutter=_clutter(recipe, ground),
        line_of_sight=line_of_sight,
        remarks=(*remarks, *_missing_routes(recipe, routes)),
    )


def in_reach(recipe: SiteRecipe, points_m: np.ndarray) -> list[np.ndarray]:
    """For each AP the grid points [C, 3] in its reach, by index."""
    places_m = [np.array(ap.position_m) for ap in recipe.access_points]
    return [np.flatnonzero(np.linalg.norm(points_m - place, axis=-1) <= recipe.reach_m) for place in places_m]


def surveyed_clutter(recipe: SiteRecipe) -> Clutter:
    """What the `survey` of a site finds that reality holds in its streets, without the rest of the survey.

    Raises:
        ConfigurationError: the scene cannot be loaded.
    """
    return _clutter(recipe, _ground(recipe, Surface(recipe)))


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What stands and what is free, on rasters [ny, nx] round the area.

    Attributes:
        x_m, y_m: coordinates of columns and rows.
        ground_m: of the ground, float32.
        height_m: of the highest surface over the ground, float32.
        clearance_m: distance to the nearest building that is as high as UEs are.
        walkable: where they can be, in the area or not.
        inside: the area.
    """

    x_m: np.ndarray
    y_m: np.ndarray
    ground_m: np.ndarray
    height_m: np.ndarray
    clearance_m: np.ndarray
    walkable: np.ndarray
    inside: np.ndarray

    @property
    def street(self) -> np.ndarray:
        """Where UEs can be in the area."""
        return self.walkable & self.inside

    def at(self, places_m: np.ndarray) -> np.ndarray:
        """Height of the ground at places [N, 2], linear between points of the raster."""
        at = np.stack([places_m[:, 1] - self.y_m[0], places_m[:, 0] - self.x_m[0]]) / RASTER_M
        return np.asarray(ndimage.map_coordinates(self.ground_m.astype(np.float64), at, order=1, mode="nearest"))


def _ground(recipe: SiteRecipe, surface: Surface) -> _Ground:
    x0, y0, x1, y1 = recipe.area_m
    x_m = np.arange(x0 - MARGIN_M, x1 + MARGIN_M + RASTER_M / 2, RASTER_M)
    y_m = np.arange(y0 - MARGIN_M, y1 + MARGIN_M + RASTER_M / 2, RASTER_M)
    top_m, ground_m = (raster(x_m, y_m).astype(np.float32) for raster in (surface.height_m, surface.ground_m))
    height_m = top_m - ground_m
    clearance = clearance_m(buildings(height_m, recipe.ue_height_m), RASTER_M)
    return _Ground(
        x_m=x_m,
        y_m=y_m,
        ground_m=ground_m,
        height_m=height_m,
        clearance_m=clearance,
        walkable=walking_area(clearance),
        inside=((x_m >= x0) & (x_m <= x1))[None] & ((y_m >= y0) & (y_m <= y1))[:, None],
    )


def _clutter(recipe: SiteRecipe, ground: _Ground) -> Clutter:
    ap_m = np.array([ap.position_m[:2] for ap in recipe.access_points])
    generator = np.random.default_rng(recipe.seed)
    clearance = clearance_m(buildings(ground.height_m), RASTER_M)  # things stand on the ground, whoever flies above
    street = walking_area(clearance) & ground.inside
    level = LEVELS[recipe.gap]
    drawn = draw_clutter(
        level.indoors if recipe.hall else level, street, clearance, ground.x_m, ground.y_m, ap_m, generator
    )
    return drawn.raised(ground.at)


def _box(bounds_m: tuple[float, float, float, float]) -> str:
    return f"x from {bounds_m[0]:.1f} to {bounds_m[2]:.1f} m and y from {bounds_m[1]:.1f} to {bounds_m[3]:.1f} m"


def _within(values: tuple[float, ...], bounds_m: tuple[float, float, float, float]) -> bool:
    """Whether points, x and y by turns, lie in the bounds."""
    x_fits = all(bounds_m[0] - _SLACK_M <= x <= bounds_m[2] + _SLACK_M for x in values[::2])
    return x_fits and all(bounds_m[1] - _SLACK_M <= y <= bounds_m[3] + _SLACK_M for y in values[1::2])


def _likely_unit(field: str, values: tuple[float, ...], bounds_m: tuple[float, float, float, float]) -> str:
    """The end of a message about values that would lie in bounds in another unit: an area that is no dot, or a point
    that is not at the origin, where all small numbers are."""
    for unit, factor in _UNITS.items():
        scaled = tuple(value / factor for value in values)
        sides_m = [abs(b - a) for a, b in zip(scaled, scaled[2:], strict=False)]
        if _within(scaled, bounds_m) and min(sides_m or [max(map(abs, scaled))]) >= _LEAST_M:
            return f"; if these are {unit}, it is {field} = {[round(value, 3) for value in scaled]}"
    return ""


def check_area(recipe: SiteRecipe, surface: Surface) -> None:
    """Raise `ConfigurationError`, which says where the scene is, unless the recipe's area lies in it."""
    area = recipe.area_m
    if not _within(area, surface.bounds_m):
        raise ConfigurationError(
            f"area_m must lie in the scene {recipe.scene!r}, {_box(surface.bounds_m)}, got {area!r}"
            + _likely_unit("area_m", area, surface.bounds_m)
        )


def _check_place(index: int, ap: AccessPoint, recipe: SiteRecipe, surface: Surface) -> None:
    """Refuse an AP that is not in the scene."""
    field, (x, y, _) = f"access_points[{index}].position_m", ap.position_m
    if not _within((x, y), surface.bounds_m):
        x0, y0, x1, y1 = recipe.area_m
        off_m = float(np.hypot(max(x0 - x, x - x1, 0.0), max(y0 - y, y - y1, 0.0)))
        raise ConfigurationError(
            f"{field} of {ap.name!r} must lie in the scene {recipe.scene!r}, {_box(surface.bounds_m)}, "
            f"got {ap.position_m!r}, {off_m:.0f} m off the area" + _likely_unit(field, (x, y), recipe.area_m)
        )


def _check_in_the_open(index: int, ap: AccessPoint, surface: Surface, points_m: np.ndarray, ground: _Ground) -> None:
    """Refuse an AP in a building: something is above it, as above one under a bridge, but it sees no grid point."""
    field, (x, y, z) = f"access_points[{index}].position_m", ap.position_m
    roof_m = float(surface.height_m(np.array([x]), np.array([y]))[0, 0])
    step_m = points_m - np.array(ap.position_m)
    beyond_m = points_m + _ROOM_M * step_m / np.linalg.norm(step_m, axis=-1, keepdims=True)  # not the wall's inside
    if z > roof_m or surface.sees(np.array(ap.position_m), beyond_m).any():
        return
    rows, columns = np.nonzero(ground.height_m + ground.ground_m < z - _ROOM_M)
    beside = ""
    if len(rows):
        free_x_m, free_y_m = ground.x_m[columns], ground.y_m[rows]
        nearest = int(np.argmin((free_x_m - x) ** 2 + (free_y_m - y) ** 2))
        beside = f"({free_x_m[nearest]:g}, {free_y_m[nearest]:g}, {z:g}), or "
    raise ConfigurationError(
        f"{field} of {ap.name!r} must be in the open, higher than {roof_m:.1f} m at ({x:g}, {y:g}), "
        f"got {ap.position_m!r}: it is inside a building; "
        f"the nearest free place is {beside}above the roof, ({x:g}, {y:g}, {np.ceil(roof_m + 2):g})"
    )


def _coverage(recipe: SiteRecipe, surface: Surface, points_m: np.ndarray) -> tuple[dict[str, float], list[str]]:
    """The share of grid points that each AP sees, and remarks on those that see none, or look elsewhere.

    Refused if an AP has no grid point in reach, or no AP serves any.
    """
    noise_dbm = THERMAL_NOISE_DBM_HZ + 10 * np.log10(recipe.bandwidth_hz) + recipe.noise_figure_db
    array_db = 10 * np.log10(recipe.array.rows * recipe.array.columns)
    shares, nearest_m, remarks = {}, np.inf, []
    for ap in recipe.access_points:
        place = np.array(ap.position_m)
        away_m = np.linalg.norm(points_m - place, axis=-1)
        if away_m.min() > recipe.reach_m:
            raise ConfigurationError(
                f"reach_m must be from {np.ceil(away_m.min()):.0f} to 10000.0 for {ap.name!r}, so far from the nearest "
                f"grid point, got {recipe.reach_m!r}"
            )
        seen = surface.sees(place, points_m) & (away_m <= recipe.reach_m)
        shares[ap.name] = float(seen.mean())
        nearest_m = min(nearest_m, float(away_m[seen].min(initial=np.inf)))
        if recipe.array.pattern == "tr38901" and seen.any():
            remarks += _facing_away(ap, points_m[seen])
    if not np.isfinite(nearest_m):
        raise ConfigurationError(
            f"access_points must see a part of area_m, got {len(shares)} of which none has line of sight to any of its "
            f"{len(points_m)} grid points; `twin-envs site preview` shows where they hang"
        )
    gain_db = 20 * float(np.log10(recipe.wavelength_m / (4 * np.pi * max(nearest_m, 1.0))))
    if gain_db < recipe.floor_db:
        raise ConfigurationError(
            f"floor_db must be from -200.0 to {gain_db:.1f}, the gain in free space to the nearest place in sight, "
            f"got {recipe.floor_db!r}: no link would be left"
        )
    least_dbm = float(noise_dbm) - gain_db - float(array_db)
    if recipe.transmit_power_dbm < least_dbm:
        raise ConfigurationError(
            f"transmit_power_dbm must be from {least_dbm:.1f} to 60.0 to serve the nearest place in sight, "
            f"{nearest_m:.0f} m off, with an SNR of 0 dB, got {recipe.transmit_power_dbm!r}"
        )
    blind = [repr(name) for name, share in shares.items() if share == 0]
    unseen = [f"No place in the area has line of sight to {', '.join(blind)}."] if blind else []
    return shares, unseen + remarks


def _facing_away(ap: AccessPoint, seen_m: np.ndarray) -> list[str]:
    """A remark if the places [N, 3] in sight of an AP are all beside or behind it, with the yaw that faces most."""
    step_m = seen_m - np.array(ap.position_m)
    azimuth = np.arctan2(step_m[:, 1], step_m[:, 0])
    off_rad = np.abs(_turn(azimuth - ap.yaw_rad))
    if off_rad.min() <= _BEAMWIDTH_RAD:
        return []
    yaws = np.linspace(-np.pi, np.pi, 72, endpoint=False)
    faced = (np.abs(_turn(azimuth - yaws[:, None])) <= _BEAMWIDTH_RAD / 2).sum(-1)
    best = int(faced.argmax())
    in_sight = f"all {len(seen_m)} places in its sight lie" if len(seen_m) > 1 else "the only place in its sight lies"
    return [
        f"{ap.name!r} faces away: {in_sight} {np.degrees(off_rad.min()):.0f} degrees or "
        f"more off its yaw_rad = {ap.yaw_rad:g}; with yaw_rad = {yaws[best]:.2f} it would face {faced[best]} of them."
    ]


def _turn(angle_rad: np.ndarray) -> np.ndarray:
    """Angles from -pi to pi."""
    return np.asarray((angle_rad + np.pi) % (2 * np.pi) - np.pi)


def _missing_routes(recipe: SiteRecipe, routes: RouteArrays) -> list[str]:
    wanted = {"walking": recipe.routes.walking, "driving": recipe.routes.driving}
    found = dict(zip(wanted, (int((routes.kind == kind).sum()) for kind in (0, 1)), strict=True))
    return [
        f"The streets have room for {found[kind]} {kind} routes of {recipe.routes.least_length_m:g} m or more, "
        f"not {number}."
        for kind, number in wanted.items()
        if found[kind] < number
    ]


def _smallest(whole: np.ndarray) -> np.ndarray:
    """Whole numbers as int16, or wider if they need it."""
    wide = whole.astype(np.int64)
    return wide.astype(np.result_type(np.int16, np.min_scalar_type(-int(np.abs(wide).max()))))


def _grid_points(recipe: SiteRecipe, ground: _Ground) -> tuple[np.ndarray, np.ndarray]:
    """Grid points [C, 3] in the open, and for each cell of the grid the index of the nearest that is near, else -1.

    Near is within 3 m, and in a wider grid a cell.
    """
    x0, y0, x1, y1 = recipe.area_m
    step = recipe.grid_m
    columns, rows = np.arange(x0, x1 + step / 2, step), np.arange(y0, y1 + step / 2, step)
    grid_x, grid_y = np.meshgrid(columns, rows)
    at = (np.round(grid_y - ground.y_m[0]).astype(int), np.round(grid_x - ground.x_m[0]).astype(int))
    street = ndimage.binary_dilation(ground.walkable, iterations=1) & (ground.clearance_m >= 0.3)
    free = street[at]
    index = np.full(free.shape, -1)
    index[free] = np.arange(free.sum())
    distance, nearest = ndimage.distance_transform_edt(~free, sampling=step, return_indices=True)
    cell_of = np.where(distance <= max(_NEAR_M, step), index[tuple(nearest)], -1)
    place_m = np.column_stack([grid_x[free], grid_y[free]])
    points = np.column_stack([place_m, ground.at(place_m) + recipe.ue_height_m])
    return points, cell_of
