"""Access points in scenes as networks see them: rasters, rays and pictures.

Privileged: draws channels of reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.benchmarks.csi.semi_black_box import samples
from twin_envs.benchmarks.csi.semi_black_box.hypernetworks import features
from twin_envs.benchmarks.csi.semi_black_box.launching import launched
from twin_envs.benchmarks.csi.semi_black_box.raster import raster
from twin_envs.benchmarks.csi.semi_black_box.scenes import Scene


@dataclass(frozen=True, kw_only=True)
class Views:
    """V access points, each in its scene.

    Attributes:
        place: number of the scene, int64 [V].
        rays: what was launched into the map, float32 [V, TAPS, BEAMS].
        seen: `features` of the maps with these rays, float32 [V, FEATURES, BEAMS].
        map_alone: `features` as if no ray had been launched.
        pictures: by world, float32 [V, N, PIXELS].
    """

    place: torch.Tensor
    rays: torch.Tensor
    seen: torch.Tensor
    map_alone: torch.Tensor
    pictures: dict[str, torch.Tensor]


def views(scenes: Iterable[tuple[int, Scene]], count: int, seed: int) -> Views:
    """All access points that are heard in the worlds of numbered scenes, with `count` pictures in each world."""
    place, rays, rasters = [], [], []
    pictures: dict[str, list[torch.Tensor]] = {}
    for number, scene in scenes:
        recipe, grid = scene.recipe, samples.picture_grid(scene.recipe)
        generator = torch.Generator().manual_seed(1000 * seed + number)
        for ap in sorted(set.intersection(*(set(samples.heard(atlas)) for atlas in scene.worlds.values()))):
            point = recipe.access_points[ap]
            place.append(number)
            rasters.append(raster(scene.height_m, point, beams=samples.BEAMS, ue_height_m=recipe.ue_height_m))
            rays.append(
                launched(
                    scene.height_m,
                    point,
                    beams=samples.BEAMS,
                    taps=samples.TAPS,
                    first_tap=samples.PRECURSOR_TAPS,
                    tap_m=SPEED_OF_LIGHT / grid.bandwidth_hz,
                )
            )
            for world, atlas in scene.worlds.items():
                drawn = samples.draw(recipe, atlas, ap, count, generator)
                pictures.setdefault(world, []).append(samples.pictures(drawn, grid))
    all_rays, all_rasters = torch.stack(rays), torch.stack(rasters)
    return Views(
        place=torch.tensor(place),
        rays=all_rays,
        seen=features(all_rasters, all_rays),
        map_alone=features(all_rasters, torch.zeros_like(all_rays)),
        pictures={world: torch.stack(found) for world, found in pictures.items()},
    )


def of_others(place: torch.Tensor) -> torch.Tensor:
    """For each view one of another scene, by index; each is some view's.

    Args:
        place: number of each view's scene, in ascending order, int64 [V].
    """
    return torch.arange(len(place)).roll(-int(torch.bincount(place).max()))
