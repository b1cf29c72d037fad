"""Are the recipes that ship built whole in 20 minutes, and do environments run there? `python -m benchmarks.sites`.

Each site is built as `twin-envs site build` builds it, in a process of its own, and random choices are played on it.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import torch
import typer

from twin_envs.agents.core.evaluation import evaluate
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console
from twin_envs.base.errors import check_choice
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.benchmarks.suite.building import alone, building
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.world.recipe import RECIPES, recipe_text
from twin_envs.world.store.reading import packaged_sites
from twin_envs.world.store.site import load_site

CROP_M, CROP_APS = 40.0, 3
_BEAMS_HZ = 24e9
"""From here on beams are chosen (FR2 of TS 38.104, 5.1); below, UEs report CSI and are handed over."""
_FEW = {"num_ue": 4}
PLAYED: dict[bool, dict[str, dict[str, Any]]] = {
    False: {"FeedbackInterval": {"codec": "type1"}, "ApSelection": {}},
    True: {"BeamSelection": {}},
}
"""An environment of each kind, with options, by whether beams are chosen."""


def recipes() -> list[str]:
    """Names of the recipes that ship and are not built in the package."""
    return sorted({path.stem for path in RECIPES.glob("*.toml")} - {path.name for path in packaged_sites()})


def crop(name: str) -> str:
    """The recipe of a square of a site round its first AP, with the APs nearest to it, coarsely traced.

    Args:
        name: of a recipe that ships.
    """
    data = tomllib.loads(recipe_text(name))
    x, y, _ = data["access_points"][0]["position_m"]
    aps = sorted(data["access_points"], key=lambda ap: np.hypot(ap["position_m"][0] - x, ap["position_m"][1] - y))
    for world in data["worlds"].values():
        world |= {"samples": 500, "max_depth": min(world["max_depth"], 1)}
    kept = ("reality", "twin", "twin-los") if name.endswith("-28ghz") else ("reality", "twin")
    changes = {
        "area_m": [x - CROP_M / 2, y - CROP_M / 2, x + CROP_M / 2, y + CROP_M / 2],
        "grid_m": 4.0,
        "access_points": aps[:CROP_APS],
        "routes": {"walking": 6, "driving": 2, "least_length_m": 20.0},
        "worlds": {world: data["worlds"][world] for world in kept},
    }
    return "\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in {**data, **changes}.items())


def _toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)


def figures_of(name: str, root: Path, *, quick: bool, seed: int, episodes: int) -> dict[str, Any]:
    """Build a site, and say what that took and what it has.

    Args:
        name: of a recipe that ships.
        root: folder of the site's folder; what is there of that name goes.
        quick: build the `crop` instead.
        seed: of episodes.
        episodes: of each environment.

    Returns:
        `building`, see `suite.building`; `wall_s` and `core_s` of the whole; `disk_mb`; `aps`, `grid_points`, `routes`
        and `remarks`; `coverage` and `gap` as the manifest has them; `worlds`: how many links each serves; and
        `random`: what random choices earn in each environment that suits [bit/s/Hz].
    """
    for leftover in (root / name, root / f"{name}.building"):
        shutil.rmtree(leftover, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    recipe = name
    if quick:
        path = root / f"{name}.toml"
        path.write_text(crop(name), encoding="utf-8")
        recipe = str(path)
    spent = alone(building, recipe, root)
    return {
        **{f"{clock}_s": sum(part[f"{clock}_s"] for part in spent["seconds"].values()) for clock in ("wall", "core")},
        "building": spent,
        **found(root / name),
        "random": alone(earned, root / name, seed, episodes),
    }


def found(folder: Path) -> dict[str, Any]:
    """What a built site has, as its manifest says; nothing of its worlds is read."""
    site = load_site(str(folder))
    manifest, links = site.manifest, len(site.recipe.access_points) * len(site.geometry.point_m)
    return {
        "disk_mb": sum(file["bytes"] for file in manifest["files"].values()) / 1e6,
        "aps": len(site.recipe.access_points),
        "grid_points": len(site.geometry.point_m),
        "routes": len(site.routes.points),
        "remarks": manifest.get("remarks", []),
        "coverage": manifest["coverage"],
        "gap": manifest["gap"],
        "worlds": {
            world: {"links_served": round(links * manifest["coverage"][world]["links"])} for world in site.recipe.worlds
        },
    }


def earned(folder: Path, seed: int, episodes: int) -> dict[str, float]:
    """Mean return of random choices in an environment of each kind that suits the site [bit/s/Hz]."""
    beams = load_site(str(folder)).recipe.carrier_hz >= _BEAMS_HZ
    seeds = evaluation_seeds(seed, episodes)
    return {
        env: evaluate("random", env, seeds=seeds, options={"site": str(folder), **_FEW, **options}).mean
        for env, options in PLAYED[beams].items()
    }


def known(path: Path, *, quick: bool) -> dict[str, Any]:
    """Figures by site of an earlier result; none if there is none, or it is of another kind."""
    if not path.is_file():
        return {}
    earlier = json.loads(path.read_text(encoding="utf-8"))
    same = earlier.get("benchmark") == "sites" and earlier["provenance"]["arguments"]["quick"] is quick
    return dict(earlier["figures"]) if same else {}


def main(
    quick: Annotated[bool, typer.Option("--quick", help="crops of 40 m x 40 m; a few minutes")] = False,
    seed: Annotated[int, typer.Option(help="of episodes")] = 0,
    site: Annotated[
        list[str] | None, typer.Option(help="built anew, once or more; by default all that the result lacks")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="where sites are built")] = None,
    json_path: Annotated[
        Path, typer.Option("--json", help="result; sites that it has and that are not asked for stay")
    ] = Path("runs/sites.json"),
) -> None:
    """Build recipes that ship, one after the other, and say what that takes; a run that is stopped goes on."""
    console, figures = new_console(), known(json_path, quick=quick)
    for name in site or ():
        check_choice("site", name, sorted(path.stem for path in RECIPES.glob("*.toml")))
    names: Sequence[str] = site or [name for name in recipes() if name not in figures]
    root = folder or Path("runs") / ("sites-quick" if quick else "sites")
    origin = provenance({"quick": quick}, seed=seed, device=torch.device("cpu"))
    for name in names:
        of_it = figures_of(name, root, quick=quick, seed=seed, episodes=2 if quick else 8)
        by = {key: origin[key] for key in ("commit", "dirty", "seed")}
        figures[name] = {**of_it, "cores": len(psutil.Process().cpu_affinity()), **by}
        write_result(json_path, "sites", dict(sorted(figures.items())), origin)
        console.print(name, {key: figures[name][key] for key in ("wall_s", "core_s", "disk_mb", "random")})
    console.print(f"{json_path} has {len(figures)} sites")


if __name__ == "__main__":
    run_command(main)
