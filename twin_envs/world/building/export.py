"""Positions, paths and channels of a site as arrays for other software. Privileged where the world is reality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from twin_envs.base.errors import check_number
from twin_envs.base.files import naming_errors
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.world.store.site import load_site


def export(name: str, path: Path, *, points: int, world: str = "twin", subcarriers: int = 48, seed: int = 0) -> Path:
    """Write what a world of a built site has at random grid points to an `.npz`, and return its path.

    Arrays: `ap_m` [A, 3], `position_m` [N, 3], `offset_hz` [S] from the carrier, `channel` complex64 [N, A, S, M] for M
    antennas, `line_of_sight` bool [N, A], and of the P paths of each link, the strongest first and of zero gain where
    there is none: `gain` complex64 [N, A, P], `delay_s` [N, A, P], `arrival` unit vectors [N, A, P, 3].

    Args:
        name: name of a built site, or path of its folder.
        path: of the file.
        points: N, at most the number of grid points.
        world: `reality`, or a twin.
        subcarriers: S, evenly over the band that CSI-RS sounds.
        seed: chooses the points.

    Raises:
        ConfigurationError: a number is out of range, or the site has no such world.
    """
    site = load_site(name)
    atlas, recipe = site.reality(world), site.recipe
    check_number("points", points, 1, len(site.geometry.point_m), integer=True)
    check_number("subcarriers", subcarriers, 1, 12 * recipe.csi_blocks, integer=True)
    chosen = np.sort(np.random.default_rng(seed).choice(len(site.geometry.point_m), points, replace=False))
    position_m = site.geometry.point_m[torch.from_numpy(chosen)]
    num_aps = len(recipe.access_points)
    span_hz = recipe.csi_blocks * recipe.block_spacing_hz
    offset_hz = (torch.arange(subcarriers) - (subcarriers - 1) / 2) * (span_hz / subcarriers)
    ap = torch.arange(num_aps).repeat(points)
    paths = atlas.paths(position_m.repeat_interleave(num_aps, 0), ap)
    order = paths.gain.abs().argsort(-1, descending=True)
    links = (points, num_aps, -1)
    arrays = {
        "gain": paths.gain.gather(-1, order).reshape(links),
        "delay_s": (paths.length_m.gather(-1, order) / SPEED_OF_LIGHT).reshape(links),
        "arrival": paths.arrival.gather(1, order[..., None].expand(-1, -1, 3)).reshape(*links[:2], -1, 3),
        "line_of_sight": paths.line_of_sight.reshape(points, num_aps),
        "channel": atlas.channel(paths, offset_hz).reshape(points, num_aps, subcarriers, -1),
        "position_m": position_m,
        "ap_m": site.geometry.ap_position_m,
        "offset_hz": offset_hz,
    }
    with naming_errors(path), path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{key: value.numpy() for key, value in arrays.items()})
    return path
