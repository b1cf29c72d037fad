"""Fresh traces of a site, and what follows from their paths with NumPy: nothing here asks an atlas for a channel.

Privileged: traces reality, and reads where it is served (see `READS_REALITY`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.world.atlas.traced_paths import TracedPaths
from twin_envs.world.building.clutter import Clutter
from twin_envs.world.building.tracing import Tracer
from twin_envs.world.recipe import WorldRecipe
from twin_envs.world.store.site import Site

Array = np.ndarray[Any, Any]
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Links:
    """Links that are traced: the AP int64 [N] and the UE's place [m], float64 [N, 3], of each."""

    ap: Array
    place_m: Array


def traced(
    site: Site, world: WorldRecipe, clutter: Clutter, links: Links, polarisations: tuple[str, str] = ("V", "V")
) -> TracedPaths:
    """The paths of links, in their order.

    Args:
        site: the site.
        world: how they are traced.
        clutter: what reality holds.
        links: those that are traced.
        polarisations: of AP and UE.
    """
    batch = min(_BATCH, int(np.bincount(links.ap).max()))
    tracer = Tracer(site.recipe, world, clutter, batch=batch, polarisations=polarisations)
    aps = np.unique(links.ap)
    parts = [tracer.trace(int(ap), links.place_m[links.ap == ap]) for ap in aps]
    order = np.argsort(np.concatenate([np.flatnonzero(links.ap == ap) for ap in aps]))
    names = [field.name for field in dataclasses.fields(TracedPaths)]
    return TracedPaths(**{name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names})


def channels(paths: TracedPaths, antenna_m: Array, site: Site, offset_hz: Array, *, absolute: bool = True) -> Array:
    """Channels of N links, each antenna at its own distance from the UE's mirror images.

    Args:
        paths: of the links.
        antenna_m: antennas relative to each link's AP [N, antennas, 3].
        site: whose carrier it is.
        offset_hz: baseband frequencies [F].
        absolute: delays count from the AP; else from each link's shortest path on.

    Returns:
        complex128 [N, F, antennas].
    """
    image_m = paths.length_m[..., None] * paths.departure
    distance_m = np.linalg.norm(image_m[:, :, None] - antenna_m[:, None], axis=-1)
    steering = np.exp(-2j * np.pi * distance_m / site.recipe.wavelength_m)
    first_m = np.where(paths.gain != 0, paths.length_m, np.inf).min(1, keepdims=True)
    delay_m = paths.length_m if absolute else paths.length_m - np.where(np.isfinite(first_m), first_m, 0.0)
    waves = paths.gain[:, None] * np.exp(-2j * np.pi * offset_hz[:, None] * delay_m[:, None] / SPEED_OF_LIGHT)
    return waves @ steering
