"""Are channels continuous along a way, from one grid cell into the next?

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.store.site import Site, load_site

SITES = ("munich", "munich-28ghz")
PLACES, QUICK_PLACES = 10_000, 2_000
STEPS_M = (1e-3, 1e-4)
_FREQUENCIES_HZ = (-4e6, 0.0, 4e6)
_CHUNK = 500


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of continuity.

    Two places on either side of a border between cells of the grid, a step apart, each seen from the strongest AP.

    Returns:
        By site, world and step [m]: over places, the `median` squared correlation of the two channels, the shares
        `below_0.9` and `below_0.5`, and the largest difference of their gains [dB].
    """
    count = QUICK_PLACES if quick else PLACES
    return {name: _of_site(load_site(name), count, seed) for name in SITES}


def _of_site(site: Site, count: int, seed: int) -> dict[str, Any]:
    worlds = {"reality": site.reality("reality"), "twin": site.twin("twin")}
    return {
        world: {f"{step_m:g} m": across_borders(site, atlas, count, step_m, seed) for step_m in STEPS_M}
        for world, atlas in worlds.items()
    }


def across_borders(site: Site, atlas: Atlas, count: int, step_m: float, seed: int) -> dict[str, float]:
    """Channels on both sides of borders."""
    generator, grid_m = np.random.default_rng(seed), site.recipe.grid_m
    cells = torch.nonzero(site.geometry.cell_of >= 0).cpu().numpy()
    y, x = cells[generator.integers(len(cells), size=count)].T
    # The border is halfway between a grid point and the next one along x.
    origin = np.array(site.geometry.origin_m)
    middle = np.stack([x + 0.5, y + generator.uniform(-0.5, 0.5, count)], -1) * grid_m + origin
    apart = np.array([step_m / 2, 0.0])
    sides = [torch.from_numpy(middle + side * apart).to(atlas.device, torch.float32) for side in (-1, 1)]
    first, second = (site.geometry.ground.place(side) for side in sides)
    seen = (site.geometry.cell(first) >= 0) & (site.geometry.cell(second) >= 0)
    first, second = first[seen], second[seen]
    ap = atlas.gain[:, site.geometry.cell(first)].argmax(0)
    offset_hz = torch.tensor(_FREQUENCIES_HZ, device=atlas.device)
    h = [
        torch.cat(
            [
                atlas.channel(atlas.paths(place[some], ap[some]), offset_hz).flatten(1)
                for some in torch.arange(len(place), device=atlas.device).split(_CHUNK)
            ]
        )
        for place in (first, second)
    ]
    powers = [one.abs().square().sum(1) for one in h]
    lit = (powers[0] > 0) & (powers[1] > 0)
    inner = (h[0].conj() * h[1]).sum(1).abs().square()[lit]
    alike = inner / (powers[0] * powers[1])[lit]
    step_db = 10 / math.log(10) * (powers[1][lit] / powers[0][lit]).log().abs()
    return {
        "places": int(lit.sum()),
        "median": float(alike.median()),
        "below_0.9": float((alike < 0.9).float().mean()),
        "below_0.5": float((alike < 0.5).float().mean()),
        "largest_gain_step_db": float(step_db.max()),
    }
