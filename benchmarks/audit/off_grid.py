"""Is the atlas right where nothing was traced? It is held against fresh traces, on its grid points and between them.

Privileged: reads and traces reality (see `READS_REALITY`). Needs the ray tracer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.benchmarks.audit.traces import Array, Links, channels, traced
from twin_envs.world.building.clutter import Clutter
from twin_envs.world.building.survey import surveyed_clutter
from twin_envs.world.store.site import Site, load_site

SITES, QUICK_SITES = ("munich", "munich-28ghz", "munich-cellfree"), ("munich",)
WORLDS = ("reality", "twin")
LINKS, QUICK_LINKS = 128, 24
"""Of each AP."""
_LEAST_GAIN = 1e-12
_BLOCKS = 12


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of the atlas off its grid.

    Args:
        quick: one site, and few links.
        seed: of the places.

    Returns:
        By site and world, for places `on_grid` and `off_grid`, anywhere in the cells of grid points that an AP serves:
        the number of `links`; the share that only one of atlas and trace has (`one_sided`); of the others the
        normalised squared error of the channel over frequencies and antennas, carrier phase included, in the median and
        at the worst tenth [dB]; the median squared correlation of both; and the median difference of their gains [dB].
    """
    sites = QUICK_SITES if quick else SITES
    return {name: _of_site(load_site(name), QUICK_LINKS if quick else LINKS, seed) for name in sites}


def _of_site(site: Site, links: int, seed: int) -> dict[str, Any]:
    clutter = surveyed_clutter(site.recipe)
    return {world: _of_world(site, world, clutter, links, seed) for world in WORLDS}


def _of_world(site: Site, world: str, clutter: Clutter, links: int, seed: int) -> dict[str, Any]:
    generator, atlas = np.random.default_rng(seed), site.reality(world)
    served = (atlas.gain > _LEAST_GAIN).cpu().numpy()
    cells = [generator.choice(np.flatnonzero(of), min(links, int(of.sum())), replace=False) for of in served]
    ap = np.repeat(np.arange(len(cells)), [len(some) for some in cells])
    on_grid_m = site.geometry.point_m.cpu().numpy()[np.concatenate(cells)].astype(float)
    moved_m = generator.uniform(-0.5, 0.5, (len(ap), 2)) * site.recipe.grid_m
    off_grid_m = on_grid_m + np.pad(moved_m, ((0, 0), (0, 1)))
    return {
        "on_grid": compared(site, world, clutter, Links(ap=ap, place_m=on_grid_m)),
        "off_grid": compared(site, world, clutter, Links(ap=ap, place_m=off_grid_m)),
    }


def compared(site: Site, world: str, clutter: Clutter, links: Links) -> dict[str, float]:
    """What the atlas of a world says of `links`, against a fresh trace of them."""
    atlas, recipe = site.reality(world), site.recipe
    offset_hz = (np.arange(_BLOCKS) - (_BLOCKS - 1) / 2) * recipe.csi_blocks * recipe.block_spacing_hz / _BLOCKS
    antenna_m = atlas.antenna_m.cpu().numpy().astype(float)[links.ap]
    truth = channels(traced(site, recipe.worlds[world], clutter, links), antenna_m, site, offset_hz)
    place, ap = (torch.from_numpy(part).to(atlas.device) for part in (links.place_m.astype(np.float32), links.ap))
    said = atlas.channel(atlas.paths(place, ap), torch.from_numpy(offset_hz).to(place)).cpu().numpy()
    powers = [_power(h) for h in (truth, said)]
    both, one = (powers[0] > 0) & (powers[1] > 0), (powers[0] > 0) != (powers[1] > 0)
    error_db = 10 * np.log10(np.maximum(_power(said - truth)[both] / powers[0][both], 1e-12))
    inner = np.abs((truth.conj() * said).sum((1, 2)))[both] ** 2
    return {
        "links": len(links.ap),
        "one_sided": float(one.mean()),
        "nmse_db": float(np.median(error_db)),
        "nmse_db_worst_tenth": float(np.quantile(error_db, 0.9)),
        "squared_correlation": float(np.median(inner / (powers[0] * powers[1])[both])),
        "gain_difference_db": float(np.median(np.abs(10 * np.log10(powers[1][both] / powers[0][both])))),
    }


def _power(h: Array) -> Array:
    return (np.abs(h) ** 2).sum((1, 2))
