"""A built site as an interactive page: map, APs, coverage, gap, and UEs on their ways. Privileged: it shows reality."""

from __future__ import annotations

import base64
import html
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twin_envs.base.errors import check_number
from twin_envs.base.files import write_files
from twin_envs.base.streams import Streams
from twin_envs.base.units import linear_to_db
from twin_envs.world.building.gap import least_gain_db
from twin_envs.world.motion import USER_KINDS, Motion, RouteKind, Routes, draw_speed, in_vehicle
from twin_envs.world.store.site import Site, load_site

_PAGE = Path(__file__).with_name("showing.html")
_NONE = -32768
"""In the page's int16, where there is no path or no ground."""
_EPISODE_S = 60.0
_STEP_S = 0.5


def show(name: str, path: Path, *, num_ue: int = 12, seed: int = 0) -> Path:
    """Write a page about a built site, one HTML file that needs no other and no network, and return its path.

    The page has the map, the gain of each AP in each world, the gap of each twin, the routes, and UEs that move for a
    minute. Its layers can be put on and off, and the pointer tells what is below it.

    Args:
        name: name of a built site, or path of its folder.
        path: of the page, `.html`.
        num_ue: UEs that are shown, of all kinds for which there are routes.
        seed: chooses their routes and speeds.

    Raises:
        ConfigurationError: a number is out of range.
        SiteError: there is no such site, or it is damaged.
    """
    check_number("num_ue", num_ue, 1, 200, integer=True)
    check_number("seed", seed, 0, 2**31 - 1, integer=True)
    site = load_site(name)
    data = json.dumps(describe(site, num_ue, seed), allow_nan=False).replace("<", "\\u003c")
    page = _PAGE.read_text(encoding="utf-8").replace("{{title}}", html.escape(site.recipe.name))
    write_files({path: page.replace("{{data}}", data).encode()})
    return path


def describe(site: Site, num_ue: int, seed: int) -> dict[str, Any]:
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
        "step_s": _STEP_S,
        "ues": _episode(site.routes, num_ue, seed),
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


def _episode(routes: Routes, num_ue: int, seed: int) -> list[dict[str, Any]]:
    """UEs, each with its kind and its ways [T, 2] in decimetres."""
    on_foot, in_street = ((routes.kind == kind).nonzero()[:, 0] for kind in RouteKind)
    rows, streams = torch.zeros(1, dtype=torch.int64), Streams(1)
    streams.seed(rows, torch.tensor([seed]))
    possible = [
        kind for kind in range(len(USER_KINDS)) if len(in_street if in_vehicle(torch.tensor(kind)) else on_foot)
    ]
    kind = torch.tensor(possible)[torch.arange(num_ue) % len(possible)][None]
    draw = streams.uniform(rows, num_ue)
    route = torch.where(in_vehicle(kind), _chosen(in_street, draw), _chosen(on_foot, draw))
    motion = Motion(routes, 1, num_ue)
    motion.start(
        rows,
        kind=kind,
        route=route,
        offset_m=streams.uniform(rows, num_ue).double() * routes.length_m[route],
        speed_m_s=draw_speed(streams, rows, kind),
        direction=torch.where(streams.uniform(rows, num_ue) < 0.5, -1.0, 1.0),
        phase_rad=streams.uniform(rows, num_ue) * (2 * math.pi),
    )
    position_m, _ = motion.at(rows, torch.arange(0.0, _EPISODE_S + _STEP_S / 2, _STEP_S, dtype=torch.float64)[None])
    ways = np.round(10 * position_m[0, ..., :2].numpy()).astype(int)
    return [{"kind": USER_KINDS[int(kind[0, ue])], "dm": ways[:, ue].ravel().tolist()} for ue in range(num_ue)]


def _chosen(routes: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
    """Of some routes one for each number of `draw`, from 0 to 1; 0 if there are none."""
    return routes[(draw.double() * len(routes)).long()] if len(routes) else torch.zeros_like(draw, dtype=torch.int64)
