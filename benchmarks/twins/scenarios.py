"""Does the nearest access point serve UAVs, as it nearly does people in the street?

Privileged: compares with reality (see `READS_REALITY`). The same access points, whose antennas look down to the street,
are met by UEs in the street and by UEs 80 m above it; what is asked is how much less the nearest gives than the best.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from twin_envs.agents.core.contenders import Contenders, contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.rollout import play
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.suite.building import building
from twin_envs.envs.core.scenario import load_scenario
from twin_envs.world.recipe import recipe_text
from twin_envs.world.store.reading import MANIFEST
from twin_envs.world.store.site import Site, load_site

SCENARIO, ENV = "uav", "ApSelection"
STREET, STREET_HEIGHT_M, STREET_GRID_M = "munich-uav-street", 1.5, 4.0
EPISODES, QUICK_EPISODES, EPISODE_SLOTS = 16, 4, 2000
PERCENTS = tuple(range(0, 101, 5))
_NOTHING_DB = -200.0


def scenarios(quick: bool, seed: int, device: torch.device, console: Console, root: Path) -> dict[str, Any]:
    """What association by distance loses in the street and above it.

    Args:
        quick: fewer episodes.
        seed: of the episodes.
        device: where to compute.
        console: told what is done.
        root: folder of the site that is built for comparison.

    Returns:
        `env`, `options`; and by place, `street` and `uav`: `ue_height_m`; `nearest_is_best`, the share of places;
        `elevation_deg`, mean, of the nearest and of the best access point; `lost_db`, percentiles over places of the
        best gain over that of a choice, and `mean_lost_db`, both by choice; `returns` of policies [bit/s/Hz], and
        `over_nearest`, the paired difference of each to `nearest`.
    """
    options = load_scenario(SCENARIO).options("association") | {"episode_slots": EPISODE_SLOTS}
    sites = {"street": load_site(str(_in_the_street(root, str(options["site"]), console)), device)}
    sites["uav"] = load_site(str(options["site"]), device)
    seeds = evaluation_seeds(seed, QUICK_EPISODES if quick else EPISODES)
    return {
        "env": ENV,
        "options": options,
        "episodes": len(seeds),
        "places": {
            place: {**_of_places(site), **_of_episodes(site, options, seeds, device, console)}
            for place, site in sites.items()
        },
    }


def _in_the_street(root: Path, name: str, console: Console) -> Path:
    """The site of a recipe with its UEs in the street, built unless it is there."""
    folder = root / STREET
    if not (folder / MANIFEST).is_file():
        console.print(f"building {STREET} ...")
        root.mkdir(parents=True, exist_ok=True)
        text, path = recipe_text(name), root / f"{STREET}.toml"
        for field, value in (("name", f'"{STREET}"'), ("ue_height_m", STREET_HEIGHT_M), ("grid_m", STREET_GRID_M)):
            text = re.sub(rf"^{field} = [^\n]*", f"{field} = {value}", text, count=1, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
        building(str(path), root)
    return folder


def _of_places(site: Site) -> dict[str, Any]:
    """What choices lose at the grid points that any access point serves."""
    reality, geometry = site.reality("reality").gain, site.geometry
    served = (reality > 0).any(0)
    gain, twin, place_m = reality[:, served], site.twin("twin").gain[:, served], geometry.point_m[served]
    step_m = place_m - geometry.ap_position_m[:, None]
    away_m = step_m.norm(dim=-1)
    best, nearest = gain.argmax(0), away_m.argmin(0)
    elevation_deg = torch.rad2deg(torch.asin(step_m[..., 2] / away_m))
    lost_db = {name: _lost_db(gain, chosen) for name, chosen in (("nearest", nearest), ("twin", twin.argmax(0)))}
    return {
        "ue_height_m": site.recipe.ue_height_m,
        "served": int(served.sum()),
        "nearest_is_best": float((nearest == best).float().mean()),
        "elevation_deg": {
            name: float(elevation_deg.gather(0, chosen[None]).mean())
            for name, chosen in (("nearest", nearest), ("best", best))
        },
        "lost_db": {name: np.percentile(lost.cpu().numpy(), PERCENTS).tolist() for name, lost in lost_db.items()},
        "mean_lost_db": {name: float(lost.mean()) for name, lost in lost_db.items()},
    }


def _lost_db(gain: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The best gain over that of access point `chosen` [C], of gains [A, C]; one that is not heard has the floor's."""
    gain_db = (10 * gain.log10()).clamp_min(_NOTHING_DB)
    heard_db = gain_db[gain > 0].min()
    return gain_db.amax(0) - gain_db.gather(0, chosen[None])[0].clamp_min(heard_db)


def _of_episodes(
    site: Site, options: dict[str, Any], seeds: Sequence[int], device: torch.device, console: Console
) -> dict[str, Any]:
    """Returns of policies at a site, on the same episodes."""
    envs = make_envs(ENV, len(seeds), device=device, **{**options, "site": site.asked_for})
    returns = {}
    for name, policy in _policies(contenders(ENV, envs)).items():
        console.print(f"{site.recipe.name}: {name} ...")
        returns[name] = play(policy, envs, seeds).returns
    generator = np.random.default_rng
    return {
        "returns": {name: interval(of_it, generator(0)) for name, of_it in returns.items()},
        "over_nearest": {
            name: paired_difference(of_it, returns["nearest"], generator(0))
            for name, of_it in returns.items()
            if name != "nearest"
        },
    }


def _policies(known: Contenders) -> dict[str, Policy]:
    """Those that are compared, with usual constants: nothing is chosen here."""
    return {
        "nearest": known.ready["nearest"],
        "path-loss": known.ready["path-loss"],
        "strongest": known.tuned["strongest"][3.0],
        "twin-gain": known.tuned["twin-gain"][3.0],
        "twin-fused": known.tuned["twin-fused"]["hysteresis 3 dB, gap 6 dB"],
        "oracle": known.ready["oracle"],
    }
