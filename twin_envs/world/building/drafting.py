"""A first recipe of a place: an area with streets and houses, access points along its walls, two worlds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.world.building.semantics import buildings, clearance_m, walking_area
from twin_envs.world.building.survey import check_area
from twin_envs.world.building.tracing import Surface
from twin_envs.world.recipe import AccessPoint, ArrayRecipe, RouteRecipe, SiteRecipe, WorldRecipe
from twin_envs.world.store.reading import check_name

_WORLDS = {"reality": WorldRecipe(real=True, diffraction=True), "twin": WorldRecipe(max_depth=2)}
_KERB_M = (1.0, 3.0)
"""How far from a wall an AP hangs."""
_AP_HEIGHT_M = 8.0
_INSIDE_M = 7.5
"""How far inside an area that is asked for: so much of the street is on either side."""
_LEAST_M = 20
_BUILT_SHARE = 0.35
"""Of the area that is looked for: a town's, with its streets."""

_TEMPLATE = """\
# A first draft: look at it with `twin-envs site preview {file}`, change it, then `twin-envs site build {file}`.
name = "{name}"
scene = "{scene}"
scene_source = "say where the scene's geometry comes from"
scene_licence = "say under which licence"
gap = "typical"
area_m = {area}
grid_m = {grid}

[array]
rows = 2
columns = 8

[routes]
walking = 40
driving = 40
least_length_m = {least}
{aps}
[worlds.reality]
real = true
diffraction = true

[worlds.twin]
max_depth = 2

[worlds.twin-los]
max_depth = 0
"""


def draft(
    name: str,
    scene: str,
    *,
    folder: Path | None = None,
    size_m: float = 120.0,
    area_m: tuple[float, float, float, float] | None = None,
    num_aps: int = 6,
    grid_m: float = 3.0,
) -> Path:
    """Write the recipe `NAME.toml` of a place in a scene, to be changed and built, and return its path.

    The area is the square of the scene, on a raster of half its side, whose built share is nearest to a town's; or the
    one that is asked for. The APs are those places 1 m to 3 m from a wall that lie farthest apart, and face the street;
    in an area that is asked for, 7.5 m or more inside it, as those of the recipes that are built on demand.

    Args:
        name: of the site and of the file.
        scene: name of a scene that ships with Sionna RT, or path of a Mitsuba XML file.
        folder: where the recipe goes; by default the working directory.
        size_m: side of the area that is looked for.
        area_m: x and y of the lower left corner of the area, then of the upper right corner, instead.
        num_aps: number of access points.
        grid_m: spacing of the grid.

    Raises:
        ConfigurationError: the scene is unknown or has no street with a wall, the area is not in it, or the file is
            there already.
    """
    check_name("name of a site", name)
    check_number("size_m", size_m, 20.0, 1000.0)
    check_number("num_aps", num_aps, 1, 100, integer=True)
    path = (folder or Path()) / f"{name}.toml"
    if path.exists():
        raise ConfigurationError(f"the recipe must be a new file, got {str(path)!r}, which is there already")
    own = scene.endswith(".xml")
    recipe = SiteRecipe(
        name=name,
        scene=str(Path(scene).expanduser().resolve()) if own else scene,
        scene_source="",
        scene_licence="",
        area_m=area_m or (0.0, 0.0, size_m, size_m),
        array=ArrayRecipe(),
        access_points=(AccessPoint(name="ap", position_m=(0.0, 0.0, _AP_HEIGHT_M), yaw_rad=0.0),),
        worlds=_WORLDS,
        routes=RouteRecipe(),
    )
    surface = Surface(recipe)
    if area_m:
        check_area(recipe, surface)
    streets = _streets(surface)
    if area_m is None:
        area_m = _town(streets, size_m, num_aps)
        places = _hung(streets, area_m, 0.0, num_aps)
    else:
        places = _hung(streets, area_m, _INSIDE_M, num_aps)
    aps = "".join(
        f'\n[[access_points]]\nname = "ap-{index}"\nposition_m = [{x:.1f}, {y:.1f}, {z:.1f}]\n'
        f"yaw_rad = {yaw:.2f}\ndowntilt_rad = 0.1\n"
        for index, (x, y, z, yaw) in enumerate(places)
    )
    text = _TEMPLATE.format(
        file=path.name,
        name=name,
        scene=os.path.relpath(recipe.scene, path.parent.resolve()) if own else scene,
        area=[float(corner) for corner in area_m],
        grid=float(grid_m),
        least=min(60.0, max(10.0, min(area_m[2] - area_m[0], area_m[3] - area_m[1]) / 2)),
        aps=aps,
    )
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True, kw_only=True)
class _Streets:
    """What is free in a scene, on rasters [ny, nx] of 1 m.

    Attributes:
        x_m, y_m: coordinates of columns and rows.
        ground_m: height of the ground.
        clearance_m: distance to the nearest building.
        kerb: where an AP may hang.
    """

    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    ground_m: NDArray[np.float64]
    clearance_m: NDArray[np.floating]
    kerb: NDArray[np.bool_]


def _streets(surface: Surface) -> _Streets:
    x0, y0, x1, y1 = surface.bounds_m
    x_m, y_m = (np.arange(np.ceil(low), high, 1.0) for low, high in ((x0, x1), (y0, y1)))
    if min(len(x_m), len(y_m)) <= _LEAST_M:
        raise ConfigurationError(
            f"scene must span {_LEAST_M} m or more along x and y, got {x1 - x0:.1f} m x {y1 - y0:.1f} m"
        )
    ground_m = surface.ground_m(x_m, y_m)
    clearance = clearance_m(buildings((surface.height_m(x_m, y_m) - ground_m).astype(np.float32)), 1.0)
    kerb = walking_area(clearance) & (clearance >= _KERB_M[0]) & (clearance <= _KERB_M[1])
    return _Streets(x_m=x_m, y_m=y_m, ground_m=ground_m, clearance_m=clearance, kerb=kerb)


def _town(streets: _Streets, size_m: float, num_aps: int) -> tuple[float, float, float, float]:
    """The corners of the square whose built share is nearest to a town's."""
    x_m, y_m = streets.x_m, streets.y_m
    side = int(min(size_m, len(x_m) - 1, len(y_m) - 1))
    corners = [
        (abs(float((streets.clearance_m[r : r + side, c : c + side] == 0).mean()) - _BUILT_SHARE), r, c)
        for r in range(0, len(y_m) - side, max(side // 2, 1))
        for c in range(0, len(x_m) - side, max(side // 2, 1))
        if streets.kerb[r : r + side, c : c + side].sum() >= num_aps
    ]
    if not corners:
        raise ConfigurationError(f"scene must hold a street with walls for {num_aps} APs within {side} m, got none")
    _, row, column = min(corners)
    return float(x_m[column]), float(y_m[row]), float(x_m[column + side]), float(y_m[row + side])


def _hung(
    streets: _Streets, area_m: tuple[float, float, float, float], inside_m: float, num_aps: int
) -> list[tuple[float, float, float, float]]:
    """x, y, z [m] and yaw [rad] of each AP: along walls `inside_m` or more inside an area, farthest apart."""
    x0, y0, x1, y1 = area_m
    columns, rows = (
        slice(*np.searchsorted(axis_m, (low, high)))
        for axis_m, low, high in ((streets.x_m, x0, x1), (streets.y_m, y0, y1))
    )
    x_m, y_m, clearance = streets.x_m[columns], streets.y_m[rows], streets.clearance_m[rows, columns]
    inside_x, inside_y = (
        (axis_m >= low + inside_m) & (axis_m < high - inside_m) for axis_m, low, high in ((x_m, x0, x1), (y_m, y0, y1))
    )
    at_row, at_column = np.nonzero(streets.kerb[rows, columns] & inside_y[:, None] & inside_x)
    if len(at_row) < num_aps:
        raise ConfigurationError(
            f"area_m must hold walls along streets for {num_aps} APs, got {area_m!r} with places for {len(at_row)}"
        )
    facing = np.arctan2(*(np.gradient(clearance, axis=axis) for axis in (0, 1)))
    height_m = streets.ground_m[rows, columns] + _AP_HEIGHT_M
    chosen = _farthest(np.stack([at_column, at_row], -1).astype(float), num_aps)
    at = [(at_row[index], at_column[index]) for index in chosen]
    return [(float(x_m[c]), float(y_m[r]), float(height_m[r, c]), float(facing[r, c])) for r, c in at]


def _farthest(points: NDArray[np.float64], count: int) -> list[int]:
    """Indices of points, the first nearest to their middle, each of the others farthest from those before it."""
    chosen = [int(np.argmin(((points - points.mean(0)) ** 2).sum(-1)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(-1))
        chosen.append(int(distance.argmax()))
    return chosen
