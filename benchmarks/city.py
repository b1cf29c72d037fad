"""What a city costs to trace, to keep and to step: `python -m benchmarks.city`.

A square of Munich is drafted, surveyed, traced and built as any site is, of grid points farther apart and with APs that
have a reach. Privileged: it counts the paths of reality, and traces some links of it (see `READS_REALITY`).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import psutil
import torch
import typer

from twin_envs.agents.core.environments import make_envs, num_actions
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console
from twin_envs.base.units import linear_to_db
from twin_envs.benchmarks.suite.building import alone, building, peak_memory_mb
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.world.building.drafting import draft
from twin_envs.world.building.gap import least_gain_db
from twin_envs.world.building.survey import surveyed_clutter
from twin_envs.world.building.tracing import Tracer
from twin_envs.world.recipe import load_recipe
from twin_envs.world.store.site import load_site, world_file

NAME, SCENE, ENV = "city", "munich", "ApSelection"
PLAN_APS, PLAN_KM2, FINE_GRID_M = 100, 10.0, 2.5
"""A larger city, and the grid of the recipes that ship."""
_AFTER = ("tracks", "gap and latency")
_BEYOND = 64
"""Links of each AP beyond its reach that are traced, to say what is left out there."""


@dataclass(frozen=True, kw_only=True)
class City:
    """What is built, and how it is stepped.

    Args:
        size_m: side of the square.
        aps: number of access points.
        grid_m: spacing of grid points.
        reach_m: of an AP.
        samples: rays of each AP.
        batches: environments that step at once.
        steps: of each.
    """

    size_m: float = 1000.0
    aps: int = 50
    grid_m: float = 10.0
    reach_m: float = 250.0
    samples: int = 3000
    batches: tuple[int, ...] = (1, 64)
    steps: int = 200


QUICK = City(size_m=200.0, aps=4, reach_m=120.0, samples=1000, batches=(1, 4), steps=10)
"""A few minutes; proves little."""


def figures(city: City, folder: Path, seed: int) -> dict[str, Any]:
    """What the city costs.

    Args:
        city: what is built.
        folder: where its recipe and its site go, and what building it took; a site that is there is not built again.
        seed: of episodes, actions, and of the links beyond reach.

    Returns:
        `grid_points`, `links` of one world within reach, `area_km2`, `aps`; `building`: seconds of wall clock and of a
        core, and peak memory; `worlds`: links, paths and bytes of each; `beyond_reach`: which share of links serves
        within reach, and beyond; `plan`: what a larger city would cost; `stepping`: resident memory by the number of
        environments.
    """
    recipe, took = folder / f"{NAME}.toml", folder / "building.json"
    if not took.exists():
        for leftover in (folder / NAME, folder / f"{NAME}.building"):
            shutil.rmtree(leftover, ignore_errors=True)
        recipe.unlink(missing_ok=True)
        write_recipe(city, recipe)
        took.write_text(json.dumps(alone(building, str(recipe), recipe.parent)), encoding="utf-8")
    found = {"building": json.loads(took.read_text(encoding="utf-8")), **alone(counted, folder / NAME)}
    for world, spent in found["worlds"].items():
        spent["links_per_core_s"] = found["links"] / found["building"]["seconds"][world]["core_s"]
    return {
        **found,
        "plan": {f"grid-{grid_m:g}": plan(found, PLAN_APS, PLAN_KM2, grid_m) for grid_m in (city.grid_m, FINE_GRID_M)},
        "beyond_reach": alone(beyond_reach, folder / NAME, seed),
        "stepping": {str(size): alone(stepping, folder / NAME, size, city.steps, seed) for size in city.batches},
    }


def plan(found: dict[str, Any], aps: int, area_km2: float, grid_m: float) -> dict[str, float]:
    """What a larger city would cost, in proportion: tracing by links, surveying by area.

    Args:
        found: figures of the city that was built.
        aps: APs of the larger one, as dense or not, with the same reach.
        area_km2: its area.
        grid_m: spacing of its grid points.

    Returns:
        `links` of one world; `tracing_core_h` of all worlds, and `other_core_h` of survey, tracks, gap; `disk_gb`; and
        `tables_gb`, what the tables of all worlds would take in memory.
    """
    seconds, worlds = found["building"]["seconds"], found["worlds"]
    finer = (found["grid_m"] / grid_m) ** 2
    more = aps / found["aps"] * finer
    wider = area_km2 / found["area_km2"]
    tracing_s = sum(seconds[world]["core_s"] for world in worlds)
    other_s = wider * seconds["survey"]["core_s"] + more * sum(seconds[part]["core_s"] for part in _AFTER)
    map_mb = wider * found["map_mb"]
    return {
        "links": found["links"] * more,
        "tracing_core_h": more * tracing_s / 3600,
        "other_core_h": other_s / 3600,
        "disk_gb": (more * sum(world["disk_mb"] for world in worlds.values()) + map_mb) / 1000,
        "tables_gb": more * sum(world["memory_mb"] for world in worlds.values()) / 1000,
    }


def write_recipe(city: City, path: Path) -> None:
    """Draft the recipe, as `twin-envs site new` does, with a reach and fewer rays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft(NAME, SCENE, folder=path.parent, size_m=city.size_m, num_aps=city.aps, grid_m=city.grid_m)
    text = path.read_text(encoding="utf-8").replace("[array]", f"reach_m = {city.reach_m}\n\n[array]", 1)
    for world in load_recipe(text).worlds:
        text = text.replace(f"[worlds.{world}]\n", f"[worlds.{world}]\nsamples = {city.samples}\n")
    path.write_text(text, encoding="utf-8")


def counted(folder: Path) -> dict[str, Any]:
    """Links, paths and bytes of each world."""
    site = load_site(str(folder))
    geometry, recipe, worlds = site.geometry, site.recipe, {}
    away_m = torch.cdist(geometry.ap_position_m, geometry.point_m)
    links = int((away_m <= recipe.reach_m).sum())
    for world in recipe.worlds:
        atlas, size = site.reality(world), site.manifest["files"][world_file(world)]["bytes"]
        paths, held = int(atlas.count.sum()), atlas.nbytes
        worlds[world] = {
            "paths": paths,
            "paths_per_link": paths / links,
            "links_with_paths": float((atlas.count > 0).sum()) / links,
            "disk_bytes_per_link": size / links,
            "disk_bytes_per_path": size / paths,
            "memory_bytes_per_link": held / links,
            "memory_bytes_per_path": held / paths,
            "disk_mb": size / 1e6,
            "memory_mb": held / 1e6,
        }
    x0, y0, x1, y1 = recipe.area_m
    route_m = site.routes.points.flatten(0, 1)
    return {
        "area_km2": (x1 - x0) * (y1 - y0) / 1e6,
        "aps": len(recipe.access_points),
        "grid_m": recipe.grid_m,
        "reach_m": recipe.reach_m,
        "grid_points": len(geometry.point_m),
        "links": links,
        "links_without_reach": away_m.numel(),
        "routes_off_grid": float((geometry.cell(route_m) < 0).float().mean()),
        "map_mb": site.manifest["files"]["map.safetensors"]["bytes"] / 1e6,
        "coverage": site.manifest["coverage"],
        "gap": site.manifest["gap"],
        "worlds": worlds,
    }


def beyond_reach(folder: Path, seed: int) -> dict[str, Any]:
    """What the reach leaves out: the share of links of reality that serve within it, and of some that are beyond."""
    site, rng = load_site(str(folder)), np.random.default_rng(seed)
    recipe, points_m = site.recipe, site.geometry.point_m.double().numpy()
    away_m = np.linalg.norm(site.geometry.ap_position_m.double().numpy()[:, None] - points_m, axis=-1)
    within = away_m <= recipe.reach_m
    tracer = Tracer(recipe, recipe.worlds["reality"], surveyed_clutter(recipe), batch=_BEYOND)
    served = []
    for ap in range(len(recipe.access_points)):
        (beyond,) = np.nonzero(~within[ap])
        if len(beyond):
            traced = tracer.trace(ap, points_m[rng.choice(beyond, min(_BEYOND, len(beyond)), replace=False)])
            power = (np.abs(traced.gain) ** 2).sum(-1)
            served += (power >= 10 ** (least_gain_db(recipe) / 10)).tolist()
    serves = linear_to_db(site.reality("reality").gain.clamp_min(1e-30)).numpy() >= least_gain_db(recipe)
    return {
        "links": len(served),
        "served": float(np.mean(served or [0.0])),
        "served_within": float(serves[within].mean()),
    }


def stepping(folder: Path, num_envs: int, steps: int, seed: int) -> dict[str, Any]:
    """Resident memory [MB] of a process that loads the site, makes environments and steps them, after each of these."""
    process, resident_mb = psutil.Process(), {}

    def note(stage: str) -> None:
        resident_mb[stage] = process.memory_info().rss / 1e6

    note("packages")
    started = perf_counter()
    load_site(str(folder))
    note("map")
    envs, generator = make_envs(ENV, num_envs, site=str(folder)), np.random.default_rng(seed)
    note("environments")
    envs.reset(seed=seed)
    ready_s = perf_counter() - started
    note("reset")
    for _ in range(steps):
        envs.step(generator.integers(num_actions(envs.single_action_space), size=num_envs))
    note("steps")
    return {
        "resident_mb": resident_mb,
        "peak_memory_mb": peak_memory_mb(),
        "ready_s": ready_s,
        "steps": steps * num_envs,
    }


def main(
    quick: Annotated[bool, typer.Option("--quick", help="four APs in 200 m x 200 m; a few minutes")] = False,
    seed: Annotated[int, typer.Option(help="of episodes, and of the links beyond reach")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="of recipe and site; one that is there is not built again")
    ] = None,
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/city.json"),
) -> None:
    """Trace a city in tiles, and say what a link costs: time, disk, and memory while an environment steps."""
    console, city = new_console(), QUICK if quick else City()
    found = figures(city, folder or Path("runs") / ("city-quick" if quick else "city"), seed)
    write_result(json_path, "city", found, provenance({"quick": quick}, seed=seed, device=torch.device("cpu")))
    console.print(found)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
