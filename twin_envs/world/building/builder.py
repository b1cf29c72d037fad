"""Building a site: survey of the map, ray tracing tile by tile, measured gap and latency. Offline and resumable.

What the manifest says of a built site, beside its files: source and licence of the scene; `coverage` of each world;
`gap` between each twin world and reality; and `latency_s`, for each twin world how long this machine takes to trace the
link of one UE with one AP, what it costs to ask that twin live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.clutter import LEVELS, Clutter, draw_clutter
from twin_envs.world.building.gap import coverage, measure_gap
from twin_envs.world.building.semantics import (
    build_routes,
    buildings,
    clearance_m,
    driving_area,
    sky_view,
    walking_area,
)
from twin_envs.world.building.tracing import Tracer, surface_height_m
from twin_envs.world.recipe import SiteRecipe, load_recipe, read_recipe_file, recipe_text
from twin_envs.world.store.site import MAP_FILE, geometry_of, world_file
from twin_envs.world.store.writing import SiteWriter, build_site, package_versions

RASTER_M = 1.0
"""Cell of the map's rasters."""
MARGIN_M = 60.0
"""How far the map reaches beyond the area, for sky view and clearance."""
BUILDER = "4"
"""Version of this module's work: pieces that another version has made are not used again."""
TILE = 1024
"""Grid points of one piece of work."""

LATENCY_APS, LATENCY_POINTS, LATENCY_REPEATS = 3, 4, 3
"""How many APs, grid points and calls of each link the latency is measured with."""

Progress = Callable[[int, int, str], None]
"""Called with the number of finished pieces, the number of all, and the name of the piece in work."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is known of a site before a ray is traced.

    Attributes:
        tensors: content of the map's file, which the twin knows; it depends on nothing that reality holds beside it.
        clutter: what reality holds beside it.
    """

    tensors: dict[str, np.ndarray]
    clutter: Clutter


def survey(recipe: SiteRecipe) -> Survey:
    """Buildings, streets, routes, sky view and grid points from the scene's mesh; and the clutter in the streets."""
    x0, y0, x1, y1 = recipe.area_m
    x_m = np.arange(x0 - MARGIN_M, x1 + MARGIN_M + RASTER_M / 2, RASTER_M)
    y_m = np.arange(y0 - MARGIN_M, y1 + MARGIN_M + RASTER_M / 2, RASTER_M)
    height_m = surface_height_m(recipe, x_m, y_m).astype(np.float32)
    clearance = clearance_m(buildings(height_m), RASTER_M)
    inside = ((x_m >= x0) & (x_m <= x1))[None] & ((y_m >= y0) & (y_m <= y1))[:, None]
    street = walking_area(clearance)
    rng = np.random.default_rng(recipe.seed)
    ap_m = np.array([ap.position_m[:2] for ap in recipe.access_points])
    clutter = draw_clutter(LEVELS[recipe.gap], street & inside, clearance, x_m, y_m, ap_m, rng)
    walking = street & inside
    driving = driving_area(clearance, street, RASTER_M) & inside
    routes = build_routes(
        clearance, walking, driving, RASTER_M, (float(x_m[0]), float(y_m[0])), np.random.default_rng(recipe.seed + 1)
    )
    cut = (slice(*np.searchsorted(y_m, (y0, y1 + RASTER_M / 2))), slice(*np.searchsorted(x_m, (x0, x1 + RASTER_M / 2))))
    points, cell_of = _grid_points(recipe, clearance, x_m, y_m)
    tensors: dict[str, np.ndarray] = {
        "height_m": height_m[cut].astype(np.float16),
        "sky_view": sky_view(height_m, RASTER_M, recipe.ue_height_m)[cut].astype(np.float16),
        "route_points_cm": _smallest(np.round(100 * routes.points)),
        "route_length_m": routes.length_m,
        "route_kind": routes.kind,
        "point_m": points.astype(np.float32),
        "cell_of": cell_of.astype(np.int32),
    }
    return Survey(tensors=tensors, clutter=clutter)


def _smallest(whole: np.ndarray) -> np.ndarray:
    """Whole numbers as int16, or wider if they need it."""
    wide = whole.astype(np.int64)
    return wide.astype(np.result_type(np.int16, np.min_scalar_type(-int(np.abs(wide).max()))))


def _grid_points(
    recipe: SiteRecipe, clearance: np.ndarray, x_m: np.ndarray, y_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Grid points [C, 3] in the open, and for each cell of the grid the index of the nearest within 3 m, else -1."""
    x0, y0, x1, y1 = recipe.area_m
    step = recipe.grid_m
    columns, rows = np.arange(x0, x1 + step / 2, step), np.arange(y0, y1 + step / 2, step)
    grid_x, grid_y = np.meshgrid(columns, rows)
    at = (np.round(grid_y - y_m[0]).astype(int), np.round(grid_x - x_m[0]).astype(int))
    street = ndimage.binary_dilation(walking_area(clearance), iterations=1) & (clearance >= 0.3)
    free = street[at]
    index = np.full(free.shape, -1)
    index[free] = np.arange(free.sum())
    distance, nearest = ndimage.distance_transform_edt(~free, sampling=step, return_indices=True)
    cell_of = np.where(distance <= 3.0, index[tuple(nearest)], -1)
    points = np.column_stack([grid_x[free], grid_y[free], np.full(free.sum(), recipe.ue_height_m)])
    return points, cell_of


def build(name: str, *, root: Path | None = None, force: bool = False, progress: Progress | None = None) -> Path:
    """Build the site of a recipe, unless it is there, and return its folder; an interrupted build goes on.

    Args:
        name: name of a shipped recipe, or path of a recipe of one's own, `.toml`.
        root: folder of the site's folder; by default the user's cache.
        force: build again even if an intact site is there.
        progress: told about every piece of work that is not done yet.

    Raises:
        ConfigurationError: no such recipe, or one of its fields is wrong.
        DependencyMissing: this machine cannot trace rays; the message says what to install.
        SiteError: the site's folder cannot be written, or the disk is full; the message says what to do.
    """
    text = recipe_text(name) if Path(name).suffix != ".toml" else read_recipe_file(name)
    name = load_recipe(text).name
    versions = {**package_versions("sionna", "sionna-rt", "mitsuba", "drjit"), "builder": BUILDER}
    return build_site(
        name,
        text,
        lambda writer: _build(load_recipe(text), writer, progress),
        versions=versions,
        root=root,
        force=force,
    )


def _build(recipe: SiteRecipe, writer: SiteWriter, progress: Progress | None) -> Path:
    surveyed = survey(recipe)
    points = surveyed.tensors["point_m"].astype(np.float64)
    tiles = range(0, len(points), TILE)
    jobs = [(w, ap, t) for w in recipe.worlds for ap in range(len(recipe.access_points)) for t in tiles]
    tracer: tuple[str, Tracer] | None = None
    for done, (world, ap, start) in enumerate(jobs):
        piece = f"{world}-{ap}-{start // TILE}"
        if writer.has(piece):
            continue
        if progress:
            progress(done, len(jobs), piece)
        if tracer is None or tracer[0] != world:
            tracer = (world, Tracer(recipe, recipe.worlds[world], surveyed.clutter))
        packed = pack_paths(tracer[1].trace(ap, points[start : start + TILE]))
        writer.put(piece, {k: torch.from_numpy(v) for k, v in packed.items()})
    files = {MAP_FILE: {k: torch.from_numpy(v) for k, v in surveyed.tensors.items()}}
    geometry = geometry_of(recipe, files[MAP_FILE])
    for world in recipe.worlds:
        per_ap = []
        for ap in range(len(recipe.access_points)):
            pieces = [writer.get(f"{world}-{ap}-{start // TILE}")[0] for start in tiles]
            per_ap.append({k: torch.cat([p[k] for p in pieces]) for k in pieces[0]})
        count = torch.stack([p.pop("count") for p in per_ap])
        tensors = {"count": count, **{k: torch.cat([p[k] for p in per_ap]) for k in per_ap[0]}}
        tensors["track"] = track_paths(geometry, tensors)
        files[world_file(world)] = {**tensors, **_antennas(recipe, world, surveyed.clutter)}
    if progress:
        progress(len(jobs), len(jobs), "gap and latency")
    latency_s = measure_latency_s(recipe, surveyed.clutter, points)
    return writer.publish(files, {**_notes(recipe, files), "latency_s": latency_s})


def measure_latency_s(recipe: SiteRecipe, clutter: Clutter, points_m: np.ndarray) -> dict[str, float]:
    """For each twin world the median time [s] of tracing one UE's link with one AP, once the tracer is warm.

    Args:
        recipe: the site.
        clutter: what the tracer takes; twin worlds hold none of it.
        points_m: grid points [C, 3]; a few spread over them are asked for, from APs spread likewise.
    """
    aps = np.unique(np.linspace(0, len(recipe.access_points) - 1, LATENCY_APS).astype(int))
    points = points_m[np.linspace(0, len(points_m) - 1, LATENCY_POINTS).astype(int)]
    links = [(int(ap), point[None]) for ap in aps for point in points]
    latency_s = {}
    for name, world in recipe.worlds.items():
        if not world.real:
            tracer = Tracer(recipe, world, clutter, batch=1)
            _, *rounds = [[_seconds(tracer, *link) for link in links] for _ in range(1 + LATENCY_REPEATS)]
            latency_s[name] = float(np.median(rounds))
    return latency_s


def _seconds(tracer: Tracer, ap: int, point_m: np.ndarray) -> float:
    start = perf_counter()
    tracer.trace(ap, point_m)
    return perf_counter() - start


def _antennas(recipe: SiteRecipe, world: str, clutter: Clutter) -> dict[str, torch.Tensor]:
    if not recipe.worlds[world].real:
        return {"antenna_m": torch.from_numpy(antenna_positions_m(recipe, np.zeros(len(recipe.access_points))))}
    return {
        "antenna_m": torch.from_numpy(antenna_positions_m(recipe, clutter.yaw_error_rad)),
        "boxes": torch.from_numpy(clutter.boxes.astype(np.float32)),
        "crowns": torch.from_numpy(clutter.crowns.astype(np.float32)),
    }


def _notes(recipe: SiteRecipe, files: dict[str, dict[str, torch.Tensor]]) -> dict[str, Any]:
    geometry = geometry_of(recipe, files[MAP_FILE])
    atlases = {world: Atlas(geometry, files[world_file(world)]) for world in recipe.worlds}
    twins = [world for world in recipe.worlds if not recipe.worlds[world].real]
    return {
        "scene": recipe.scene,
        "source": recipe.scene_source,
        "licence": recipe.scene_licence,
        "area_m": list(recipe.area_m),
        "grid_points": len(geometry.point_m),
        "coverage": {world: coverage(recipe, atlas) for world, atlas in atlases.items()},
        "gap": {world: measure_gap(recipe, atlases["reality"], atlases[world]) for world in twins},
    }
