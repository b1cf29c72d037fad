"""A built site as an interactive page: map, APs, coverage, gap, and an episode. Privileged: it shows reality."""

from __future__ import annotations

import base64
import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twin_envs.base.files import write_files
from twin_envs.base.units import linear_to_db
from twin_envs.world.building.gap import least_gain_db
from twin_envs.world.store.site import Site, load_site

_PAGE = Path(__file__).with_name("showing.html")
_NONE = -32768
"""In the page's int16, where there is no path or no ground."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What happened to U UEs at T times.

    Attributes:
        title: which environment it was, and who decided.
        time_s: since its start [T].
        ue_m: where the network believed the UEs to be [T, U, 2].
        ue_std_m: standard deviation of that [T, U].
        serving: at each time the pairs of AP and UE that were connected.
        notes: what is known of each UE, by name and unit, such as "CSI age [ms]", [T, U]; NaN where unknown.
    """

    title: str
    time_s: np.ndarray
    ue_m: np.ndarray
    ue_std_m: np.ndarray
    serving: tuple[tuple[tuple[int, int], ...], ...]
    notes: dict[str, np.ndarray] = field(default_factory=dict)


def write_page(name: str, path: Path, episode: Episode) -> Path:
    """Write a page about a built site, one HTML file that needs no other and no network, and return its path.

    The page has the map, the gain of each AP in each world, the gap of each twin, the routes, and the episode, through
    which one can move. Its layers can be put on and off, and the pointer tells what is below it.

    Args:
        name: name of a built site, or path of its folder.
        path: of the page, `.html`.
        episode: on that site.

    Raises:
        SiteError: there is no such site, or it is damaged.
    """
    site = load_site(name)
    data = json.dumps(describe(site, episode), allow_nan=False).replace("<", "\\u003c")
    page = _PAGE.read_text(encoding="utf-8").replace("{{title}}", html.escape(site.recipe.name))
    write_files({path: page.replace("{{data}}", data).encode()})
    return path


def describe(site: Site, episode: Episode) -> dict[str, Any]:
    """What the page shows, as plain data: rasters from the lower left, and gains, as base64 of whole numbers."""
    recipe, geometry = site.recipe, site.geometry
    ny, nx = site.height_m.shape
    ground_m = geometry.ground.height_m
    return {
        "name": recipe.name,
        "source": recipe.scene_source,
        "licence": recipe.scene_licence,
        "carrier_hz": recipe.carrier_hz,
        "area_m": list(recipe.area_m),
        "heights": {"shape": [ny, nx], "dm": _packed(10 * site.height_m.numpy())},
        "ground_dm": None if ground_m is None else _packed(10 * ground_m.numpy()),
        "grid_m": recipe.grid_m,
        "cells": {"shape": list(geometry.cell_of.shape), "point": _base64(geometry.cell_of.numpy(), "<i4")},
        "least_gain_db": least_gain_db(recipe),
        "aps": [
            {
                "name": ap.name,
                "position_m": list(ap.position_m),
                "yaw_rad": ap.yaw_rad,
                "sees": site.manifest.get("line_of_sight", {}).get(ap.name),
            }
            for ap in recipe.access_points
        ],
        "worlds": {
            world: {
                "real": description.real,
                "gain_tenth_db": _packed(10 * _gain_db(site, world)),
                "coverage": site.manifest["coverage"][world],
                "gap": site.manifest["gap"].get(world),
            }
            for world, description in recipe.worlds.items()
        },
        "routes": [
            {"kind": int(kind), "dm": np.round(10 * points[: int(length) + 1 : 2].numpy()).astype(int).ravel().tolist()}
            for points, length, kind in zip(site.routes.points, site.routes.length_m, site.routes.kind, strict=True)
        ],
        "episode": _plain(episode),
        "remarks": site.manifest.get("remarks", []),
    }


def _packed(values: np.ndarray) -> str:
    whole = np.where(np.isfinite(values), np.clip(np.round(values), -32767, 32767), _NONE)
    return _base64(whole, "<i2")


def _base64(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")


def _gain_db(site: Site, world: str) -> np.ndarray:
    """Gain [A, C] of each AP at each grid point; minus infinity where there is no path."""
    gain = site.reality(world).gain.double().numpy()
    return np.where(gain > 0, linear_to_db(torch.from_numpy(np.maximum(gain, 1e-30))).numpy(), -np.inf)


def _plain(episode: Episode) -> dict[str, Any]:
    """An episode as plain data: UEs in decimetres, and notes to four digits, null where unknown."""
    return {
        "title": episode.title,
        "time_s": np.round(episode.time_s, 4).tolist(),
        "ues": episode.ue_m.shape[1],
        "dm": _packed(10 * episode.ue_m),
        "std_dm": _packed(10 * episode.ue_std_m),
        "serving": [[number for pair in pairs for number in pair] for pairs in episode.serving],
        "notes": {
            name: [[float(f"{value:.4g}") if np.isfinite(value) else None for value in row] for row in values]
            for name, values in episode.notes.items()
        },
    }
