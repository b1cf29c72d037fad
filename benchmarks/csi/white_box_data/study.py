"""White box with less: what wrong positions of users cost, and how far fewer paths and fewer places go."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twin_envs.base.settings import lasting
from twin_envs.benchmarks.csi import white_box
from twin_envs.benchmarks.csi.runs import Run
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.benchmarks.csi.white_box.arms import STREETS
from twin_envs.benchmarks.csi.white_box.network import Sizes
from twin_envs.benchmarks.csi.white_box.samples import ACCESS_POINT, picture_grid
from twin_envs.benchmarks.csi.white_box_data.arms import UNIFORM, USERS, Arms, Plan, Record
from twin_envs.world.store.site import world_file

FULL, QUICK = Plan(), Plan(seeds=1)
Errors = np.ndarray[Any, np.dtype[np.float64]]


def figures(setting: Setting) -> dict[str, Any]:
    """What the study says. All errors are of unit-norm pictures in reality [dB], means over seeds, by `streets` without
    samples (`held_out`) and with them (`seen`).

    Returns:
        `plan`: sizes and schedule. `access_point`: whose links are learnt.
        `positions`: `nmse_db` by where users are (`uniform`: anywhere in the open), streets, and by what positions in
        the twin were drawn, one for each of `real`, the numbers of real samples of users at hot spots that the network
        was fine-tuned on with rehearsal. `cost_db`: by how much that is more than where positions were drawn as
        users are. `overlap`: of each arm's positions with users at hot spots. `fixes`, `std_m`: how many fixes there
        were, and how wide a kernel was chosen for them.
        `paths`: `nmse_db` of users anywhere by streets, one for each of `paths`, how many of a link's paths the twin's
        samples have; `power`: the share of power that these have.
        `places`: `nmse_db` of users anywhere by streets and augmentation, one for each of `places`, from how many
        places all samples are.
        Beside each mean its standard deviation over seeds: `spread_db`, `cost_spread_db`.
        `training_s`: time that all trainings took.
    """
    plan, site = QUICK if setting.quick else FULL, setting.site
    grid = picture_grid(site)
    sizes = Sizes(pixels=2 * grid.taps * grid.antennas)
    run = Run(setting.run, _conditions(setting, plan, sizes))
    with lasting():
        seeds = [
            Arms(
                plan,
                site=site,
                sizes=sizes,
                seed=setting.seed + index,
                run=run,
                report=setting.report,
                share=(index / plan.seeds, (index + 1) / plan.seeds),
            )
            for index in range(plan.seeds)
        ]
        found = [(one.positions(), one.knowledge(), one.fewer_paths(), one.fewer_places()) for one in seeds]
    positions, knowledge, paths, places = (list(kind) for kind in zip(*found, strict=True))
    return {
        "plan": dataclasses.asdict(plan),
        "access_point": site.recipe.access_points[ACCESS_POINT].name,
        "positions": _of_positions(plan, positions) | _known(knowledge),
        "paths": {
            "paths": list(paths[0]),
            "power": np.mean([[record["power"] for record in seed.values()] for seed in paths], 0).tolist(),
            **_by_streets(lambda streets: _of([list(seed.values()) for seed in paths], UNIFORM, streets)),
        },
        "places": {"places": list(plan.places), **_of_places(places)},
        "training_s": sum(record["seconds"] for seed in found for record in _trainings(seed)),
    }


def _of_positions(plan: Plan, seeds: Sequence[Mapping[str, list[Record]]]) -> dict[str, Any]:
    told: dict[str, dict[str, Any]] = {name: {} for name in ("nmse_db", "spread_db", "cost_db", "cost_spread_db")}
    for users in USERS:
        for name in told:
            told[name][users] = {streets: {} for streets in STREETS}
        for streets in STREETS:
            errors = {arm: _of([seed[arm] for seed in seeds], users, streets) for arm in plan.positions}
            for arm, each in errors.items():
                cost = each - errors[users]
                for name, values in zip(told, (each.mean(0), each.std(0), cost.mean(0), cost.std(0)), strict=True):
                    told[name][users][streets][arm] = values.tolist()
    return {"real": [0, *plan.real], **told}


def _known(seeds: Sequence[Mapping[str, Record]]) -> dict[str, dict[str, float]]:
    said: dict[str, dict[str, float]] = {"overlap": {}, "fixes": {}, "std_m": {}}
    for arm, record in seeds[0].items():
        for name in record:
            said[name][arm] = float(np.mean([seed[arm][name] for seed in seeds]))
    return said


def _of_places(seeds: Sequence[Mapping[str, list[Record]]]) -> dict[str, Any]:
    by_arm = {how: [seed[how] for seed in seeds] for how in seeds[0]}
    each = {streets: {how: _of(records, UNIFORM, streets) for how, records in by_arm.items()} for streets in STREETS}
    return {
        name: {streets: {how: of(errors).tolist() for how, errors in by.items()} for streets, by in each.items()}
        for name, of in (("nmse_db", lambda errors: errors.mean(0)), ("spread_db", lambda errors: errors.std(0)))
    }


def _by_streets(of: Any) -> dict[str, dict[str, list[float]]]:
    return {
        "nmse_db": {streets: of(streets).mean(0).tolist() for streets in STREETS},
        "spread_db": {streets: of(streets).std(0).tolist() for streets in STREETS},
    }


def _of(seeds: Sequence[Sequence[Record]], users: str, streets: str) -> Errors:
    """Errors [seeds, networks] of these users."""
    return np.array([[record["nmse_db"][users][streets] for record in seed] for seed in seeds])


def _trainings(found: tuple[Any, ...]) -> list[Record]:
    positions, _, paths, places = found
    return [record for arm in (*positions.values(), *places.values()) for record in arm] + list(paths.values())


def _conditions(setting: Setting, plan: Plan, sizes: Sizes) -> dict[str, Any]:
    """All that a piece depends on, beside its seed: more of these may be added to a run."""
    folders = (Path(__file__).parent, Path(white_box.__file__).parent)
    sources = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    site = setting.site
    return {
        "source_sha256": hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest(),
        "site": site.recipe.name,
        "worlds_sha256": {world: site.manifest["files"][world_file(world)]["sha256"] for world in ("twin", "reality")},
        "architecture": {"name": "autoencoder-1", **dataclasses.asdict(sizes)},
        "device": str(site.device),
        **{name: value for name, value in dataclasses.asdict(plan).items() if name != "seeds"},
    }
