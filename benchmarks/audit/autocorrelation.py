"""Do channels of moving UEs age as their paths' Doppler shifts say? NumPy sums the paths; the atlas moves the UE.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.benchmarks.audit.knowledge import walk
from twin_envs.world.store.site import Site, load_site

SITES = ("munich", "munich-28ghz")
LINKS, QUICK_LINKS = 2000, 400
WAYS_WAVELENGTHS = (0.05, 0.1, 0.2, 0.3, 0.5)
_SPEED_OF_LIGHT = 299_792_458.0


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of ageing.

    UEs go straight on along their routes. A link's squared correlation with where it was is taken over antennas, at the
    carrier; the reference rotates each path by 2 pi way cos(angle) / wavelength and keeps all else.

    Returns:
        By site and way [wavelengths]: the mean squared correlation that the atlas gives and that of the reference, and
        the `median_difference` over links.
    """
    count = QUICK_LINKS if quick else LINKS
    return {name: of_site(load_site(name), count, seed) for name in SITES}


def of_site(site: Site, links: int, seed: int) -> dict[str, dict[str, float]]:
    """Squared correlations by way."""
    atlas, wavelength_m = site.reality("reality"), _SPEED_OF_LIGHT / site.recipe.carrier_hz
    sensed, ap, _ = walk(site, links, seed)
    place = site.geometry.ground.place(sensed.position_m)
    heading = torch.nn.functional.pad(sensed.velocity_m_s, (0, 1))
    heading = heading / heading.norm(dim=-1, keepdim=True)
    offset_hz = torch.zeros(1, device=atlas.device)
    paths = atlas.paths(place, ap)
    waves, steering = (part.cpu().numpy().astype(complex) for part in atlas.waves(paths, offset_hz))
    along = (paths.arrival * heading[:, None]).sum(-1).cpu().numpy().astype(float)  # cosine of arrival and motion
    start = np.einsum("nfp,npa->na", waves, steering)
    lit = (np.abs(start) ** 2).sum(1) > 0
    result = {}
    for way in WAYS_WAVELENGTHS:
        moved = place + way * wavelength_m * heading
        there = atlas.channel(atlas.paths(moved, ap), offset_hz)[:, 0].cpu().numpy()
        turned = np.einsum("nfp,npa->na", waves * np.exp(-2j * np.pi * way * along)[:, None], steering)
        atlas_says, reference = (_squared_correlation(start[lit], other[lit]) for other in (there, turned))
        result[str(way)] = {
            "atlas": float(atlas_says.mean()),
            "reference": float(reference.mean()),
            "median_difference": float(np.median(np.abs(atlas_says - reference))),
        }
    return result


def _squared_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    inner = np.abs((first.conj() * second).sum(1)) ** 2
    return inner / np.maximum((np.abs(first) ** 2).sum(1) * (np.abs(second) ** 2).sum(1), 1e-300)
