"""Made-up places as scenes that are traced, each once, and kept.

Privileged: traces reality (see `READS_REALITY`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from twin_envs.base.files import write_files
from twin_envs.benchmarks.csi.runs import Run, Tensors
from twin_envs.benchmarks.csi.semi_black_box.layouts import SIDE_M, Place, draw_place
from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.builder import BUILDER
from twin_envs.world.building.survey import Survey, survey
from twin_envs.world.building.tracing import Tracer
from twin_envs.world.recipe import AccessPoint, ArrayRecipe, RouteRecipe, SiteRecipe, WorldRecipe
from twin_envs.world.store.site import geometry_of
from twin_envs.world.store.writing import package_versions

TWIN, REALITY = "twin", "reality"
_GAPS = {"streets": "typical", "rooms": "mild"}
"""By kind of place: in rooms there are fewer trees and vehicles."""
_MAP = ("height_m", "point_m", "cell_of")
_SAMPLES = 5000
_XML = """<scene version="2.1.0">
<bsdf type="itu-radio-material" id="wall"><string name="type" value="concrete"/></bsdf>
<shape type="rectangle" id="ground">
  <transform name="to_world"><scale x="{side}" y="{side}"/><translate x="{middle}" y="{middle}"/></transform>
  <ref id="wall" name="bsdf"/>
</shape>
{boxes}
</scene>
"""
_BOX = """<shape type="cube" id="box-{index}">
  <transform name="to_world"><scale x="{x_scale}" y="{y_scale}" z="{z}"/><translate x="{x}" y="{y}" z="{z}"/></transform>
  <ref id="wall" name="bsdf"/>
</shape>"""  # noqa: E501


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A traced place.

    Attributes:
        recipe: of it.
        height_m: what the map says, float32 [SIDE_M + 1, SIDE_M + 1]: heights at whole metres, row along y.
        worlds: `TWIN`, and `REALITY` where it was asked for.
    """

    recipe: SiteRecipe
    height_m: torch.Tensor
    worlds: dict[str, Atlas]


def traced(number: int, *, access_points: int, real: bool, run: Run) -> Scene:
    """The scene of a place, traced as a site's builder does, unless `run` holds it.

    Args:
        number: of the place.
        access_points: that it has.
        real: whether reality is traced, too.
        run: where it is kept. What another version of the tracer or another drawing made is not used.

    Raises:
        DependencyMissing: this machine cannot trace rays; the message says what to install.
        ConfigurationError: what is kept is damaged.
    """
    place = draw_place(number, access_points)
    path = run.folder / f"place-{number}.xml"
    recipe, text = recipe_of(place, number, path), scene_text(place)
    of_it = [{**asdict(recipe), "scene": text}, package_versions("sionna", "sionna-rt", "mitsuba", "drjit"), BUILDER]
    key = hashlib.sha256(json.dumps(of_it, sort_keys=True).encode()).hexdigest()[:12]
    surveyed: list[Survey] = []

    def known() -> Survey:
        if not surveyed:
            write_files({path: text.encode()})
            surveyed.append(survey(recipe))
        return surveyed[0]

    name = f"place-{number}-{key}"
    the_map = run.tensors(f"{name}-map", lambda: {k: torch.from_numpy(known().tensors[k]) for k in _MAP})
    geometry = geometry_of(recipe, the_map)

    def trace(world: str) -> Tensors:
        tracer, points_m = Tracer(recipe, recipe.worlds[world], known().clutter), geometry.point_m.double().numpy()
        packed = [pack_paths(tracer.trace(ap, points_m)) for ap in range(access_points)]
        tensors = {k: torch.from_numpy(np.concatenate([each[k] for each in packed])) for k in packed[0]}
        tensors["count"] = tensors["count"].view(access_points, -1)
        yaw_error_rad = known().clutter.yaw_error_rad if world == REALITY else np.zeros(access_points)
        return {
            **tensors,
            "track": track_paths(geometry, tensors),
            "antenna_m": torch.from_numpy(antenna_positions_m(recipe, yaw_error_rad)),
        }

    worlds = [TWIN, REALITY] if real else [TWIN]
    atlases = {world: Atlas(geometry, run.tensors(f"{name}-{world}", partial(trace, world))) for world in worlds}
    return Scene(recipe=recipe, height_m=the_map["height_m"].float(), worlds=atlases)


def scene_text(place: Place) -> str:
    """The place as a Mitsuba scene."""
    boxes = [
        _BOX.format(
            index=index,
            x_scale=(x1 - x0) / 2,
            y_scale=(y1 - y0) / 2,
            x=(x0 + x1) / 2,
            y=(y0 + y1) / 2,
            z=height / 2,
        )
        for index, (x0, y0, x1, y1, height) in enumerate(place.boxes.tolist())
    ]
    return _XML.format(side=SIDE_M, middle=SIDE_M / 2, boxes="\n".join(boxes))


def recipe_of(place: Place, number: int, scene: Path) -> SiteRecipe:
    """The recipe of a place: 28 GHz, 92 MHz sounded, one row of 32 antennas at each access point."""
    return SiteRecipe(
        name=f"place-{number}",
        scene=str(scene.resolve()),
        scene_source="made up by benchmarks.csi",
        scene_licence="Apache-2.0",
        carrier_hz=28e9,
        bandwidth_hz=100e6,
        subcarrier_spacing_hz=120e3,
        csi_blocks=64,
        transmit_power_dbm=27.0,
        noise_figure_db=10.0,
        floor_db=-125.0,
        area_m=(0.0, 0.0, float(SIDE_M), float(SIDE_M)),
        grid_m=2.0,
        gap=_GAPS[place.kind],
        seed=number,
        array=ArrayRecipe(rows=1, columns=32),
        access_points=tuple(
            AccessPoint(name=f"ap-{index}", position_m=(x, y, round(z, 2)), yaw_rad=round(yaw, 3), downtilt_rad=0.1)
            for index, (x, y, z, yaw) in enumerate(place.access_points.tolist())
        ),
        worlds={REALITY: WorldRecipe(real=True, samples=_SAMPLES), TWIN: WorldRecipe(samples=_SAMPLES)},
        routes=RouteRecipe(walking=1, driving=0, least_length_m=10.0),
    )
