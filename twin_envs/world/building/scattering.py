"""What the walls of a twin world scatter: what the channel twin `calibrated` has beside the twin's own paths.

How much walls scatter is not known before anything is measured, so a twin world has smooth ones, and knows nothing of
places that only scattered waves reach. Here they scatter a little. How much more or less it is in reality is then found
out from measurements, without a ray tracer: the power of scattered waves goes with the scattering coefficient squared.

It changes little over a few metres, so it is traced at places some metres apart, and the waves there are continued to
the grid points about them. Of all scattered waves of a link the strongest stands for all, with the power of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from twin_envs.base.errors import check_choice
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.clutter import no_clutter
from twin_envs.world.building.paths import continued
from twin_envs.world.building.survey import in_reach
from twin_envs.world.building.tracing import Tracer
from twin_envs.world.recipe import open_recipe
from twin_envs.world.store.reading import RECIPE
from twin_envs.world.store.site import load_site, scattering_command, scattering_file
from twin_envs.world.store.writing import add_tensors, check_writable

SCATTERING = 0.2
"""Share of the amplitude that a rough wall scatters, at the low end of what is measured at buildings (Degli-Esposti et
al., *Measurement and modelling of scattering from buildings*, 2007)."""
_APART_M = 4.0
_PATHS, _RANGE_DB = 64, 120.0
_LOUDER_DB = 15.0
"""By so much more could walls scatter: links that are so far below the recipe's floor are kept."""


def trace_scattering(name: str, *, world: str = "twin", progress: Callable[[float], None]) -> Path:
    """Trace what the walls of a built site's twin world scatter, and keep it with the site.

    Args:
        name: of the site.
        world: one of its twin worlds, traced as its recipe says otherwise, but for edges: they are the world's own.
        progress: told which share is done.

    Returns:
        The site's folder.

    Raises:
        ConfigurationError: `world` is not a twin of the site.
        DependencyMissing: this machine cannot trace rays; the message says what to install.
        SiteError: the site is missing or damaged, or its folder cannot be written.
    """
    site = load_site(name)
    check_choice("world", world, site.twins)
    check_writable(site.path)
    _, recipe = open_recipe(str(site.path / RECIPE))
    points_m = site.geometry.point_m.numpy().astype(np.float64)
    how = replace(recipe.worlds[world], max_paths=_PATHS, dynamic_range_db=_RANGE_DB, diffraction=False)
    quiet = replace(recipe, floor_db=recipe.floor_db - _LOUDER_DB)
    tracer = Tracer(quiet, how, no_clutter(len(recipe.access_points)), scattering=SCATTERING)
    count, traced = torch.zeros(len(recipe.access_points), len(points_m), dtype=torch.uint8), []
    for ap, reached in enumerate(in_reach(recipe, points_m)):
        progress(ap / len(count))
        near_m = points_m[reached]
        chosen = spread_out(near_m, _APART_M)
        nearest = cKDTree(near_m[chosen]).query(near_m)[1]
        strongest = _strongest_scattered(tracer.trace(ap, near_m[chosen]))
        there = TracedPaths(**{name: value[nearest] for name, value in vars(strongest).items()})
        packed = pack_paths(continued(there, near_m - near_m[chosen][nearest]))
        tensors = {key: torch.from_numpy(value) for key, value in packed.items()}
        count[ap, reached] = tensors.pop("count")
        traced.append(tensors)
    tensors = {"count": count, **{key: torch.cat([part[key] for part in traced]) for key in traced[0]}}
    tensors["track"] = track_paths(site.geometry, tensors)
    notes = {"world": world, "scattering": SCATTERING}
    add_tensors(site.path, scattering_file(world), tensors, command=scattering_command(name, world), notes=notes)
    return site.path


def spread_out(points_m: np.ndarray, apart_m: float) -> np.ndarray:
    """Points [N, 3] that lie at least so far apart, so that none of all is farther from the nearest: their numbers."""
    near, chosen = cKDTree(points_m).query_ball_point(points_m, apart_m), []
    taken = np.zeros(len(points_m), dtype=bool)
    for number, about in enumerate(near):
        if not taken[number]:
            chosen.append(number)
            taken[about] = True
    return np.array(chosen, dtype=int)


def _strongest_scattered(paths: TracedPaths) -> TracedPaths:
    """Of each link the strongest path that is scattered, with the power of all that are; no gain where none is."""
    power = np.where(paths.source_m > 0, np.abs(paths.gain) ** 2, 0.0)
    first = power.argmax(-1)[:, None]
    kept = {
        name: np.take_along_axis(value, first.reshape(first.shape + (1,) * (value.ndim - 2)), axis=1)
        for name, value in vars(paths).items()
    }
    amplitude = np.sqrt(power.sum(-1, keepdims=True))
    kept["gain"] = amplitude * np.exp(1j * np.angle(kept["gain"]))
    return TracedPaths(**kept)
