"""Building a site: survey of the map, ray tracing tile by tile, measured gap and latency. Offline and resumable.

What the manifest says of a built site, beside its files: source and licence of the scene; `coverage` of each world;
`gap` between each twin world and reality; and `latency_s`, for each twin world how long this machine takes to trace the
link of one UE with one AP, what it costs to ask that twin live.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.clutter import Clutter
from twin_envs.world.building.gap import coverage, measure_gap
from twin_envs.world.building.hall import hall_scene
from twin_envs.world.building.survey import in_reach, survey
from twin_envs.world.building.tracing import Tracer, release_memory, scene_files
from twin_envs.world.recipe import SiteRecipe, open_recipe, recipe_from
from twin_envs.world.store.reading import user_sites
from twin_envs.world.store.site import MAP_FILE, geometry_of, world_file
from twin_envs.world.store.writing import SiteWriter, build_site, package_versions

BUILDER = "5"
"""Version of this module's work: pieces that another version has made are not used again."""
TILE = 1024
"""Grid points of one piece of work."""

LATENCY_APS, LATENCY_POINTS, LATENCY_REPEATS = 3, 4, 3
"""How many APs, grid points and calls of each link the latency is measured with."""

Progress = Callable[[int, int, str], None]
"""Called with the number of finished pieces, the number of all, and the name of the piece in work."""


def build(name: str, *, root: Path | None = None, force: bool = False, progress: Progress | None = None) -> Path:
    """Build the site of a recipe, unless it is there, and return its folder; an interrupted build goes on.

    Args:
        name: name of a shipped recipe, or path of a recipe of one's own, `.toml`.
        root: folder of the site's folder; by default the user's cache.
        force: build again even if an intact site is there.
        progress: told about every piece of work that is not done yet.

    Raises:
        ConfigurationError: no such recipe, or one of its fields is wrong; nothing was traced, and nothing is left.
        DependencyMissing: this machine cannot trace rays; the message says what to install.
        SiteError: the site's folder cannot be written, or the disk is full; the message says what to do.
    """
    text, recipe = open_recipe(name)
    versions = {**package_versions("sionna", "sionna-rt", "mitsuba", "drjit"), "builder": BUILDER, **scene_hash(recipe)}
    folder = build_site(
        recipe.name,
        recipe_from(text, recipe, (root or user_sites()) / recipe.name),
        lambda writer: _build(recipe, writer, progress),
        versions=versions,
        root=root,
        force=force,
    )
    release_memory()
    return folder


def _build(recipe: SiteRecipe, writer: SiteWriter, progress: Progress | None) -> Path:
    surveyed = survey(recipe)
    points = surveyed.tensors["point_m"].astype(np.float64)
    tiles = [[own[start : start + TILE] for start in range(0, len(own), TILE)] for own in in_reach(recipe, points)]
    jobs = [(w, ap, tile) for w in recipe.worlds for ap in range(len(tiles)) for tile in range(len(tiles[ap]))]
    tracer: tuple[str, Tracer] | None = None
    for done, (world, ap, tile) in enumerate(jobs):
        piece = f"{world}-{ap}-{tile}"
        if writer.has(piece):
            continue
        if progress:
            progress(done, len(jobs), piece)
        if tracer is None or tracer[0] != world:
            tracer = (world, Tracer(recipe, recipe.worlds[world], surveyed.clutter))
        packed = pack_paths(tracer[1].trace(ap, points[tiles[ap][tile]]))
        writer.put(piece, {k: torch.from_numpy(v) for k, v in packed.items()})
    if progress:
        progress(len(jobs), len(jobs), "tracks")
    files = {MAP_FILE: {k: torch.from_numpy(v) for k, v in surveyed.tensors.items()}}
    geometry = geometry_of(recipe, files[MAP_FILE])
    for world in recipe.worlds:
        pieces = [[writer.get(f"{world}-{ap}-{t}")[0] for t in range(len(own))] for ap, own in enumerate(tiles)]
        count = torch.zeros(len(tiles), len(points), dtype=torch.uint8)
        for ap, own in enumerate(tiles):
            count[ap, np.concatenate(own)] = torch.cat([piece.pop("count") for piece in pieces[ap]])
        traced = [piece for own in pieces for piece in own]
        tensors = {"count": count, **{k: torch.cat([piece[k] for piece in traced]) for k in traced[0]}}
        tensors["track"] = track_paths(geometry, tensors)
        files[world_file(world)] = {**tensors, **_antennas(recipe, world, surveyed.clutter)}
    if progress:
        progress(len(jobs), len(jobs), "gap and latency")
    latency_s = measure_latency_s(recipe, surveyed.clutter, points)
    notes = {**_notes(recipe, files), "line_of_sight": surveyed.line_of_sight, "remarks": list(surveyed.remarks)}
    return writer.publish(files, {**notes, **scene_hashes(recipe), "latency_s": latency_s})


def scene_hashes(recipe: SiteRecipe) -> dict[str, dict[str, str]]:
    """The sha256 of each file of a scene of one's own, as `scene_files`, or of a hall's text; nothing for a scene that
    ships with Sionna RT."""
    if recipe.hall:
        return {"scene_files": {"hall.xml": hashlib.sha256(hall_scene(recipe.hall, recipe.seed).encode()).hexdigest()}}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in scene_files(recipe).items()}
    return {"scene_files": hashes} if hashes else {}


def scene_hash(recipe: SiteRecipe) -> dict[str, str]:
    """The sha256 of a scene of one's own, as the `scene` that a build depends on."""
    hashes = scene_hashes(recipe)
    return {"scene": hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()} if hashes else {}


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
