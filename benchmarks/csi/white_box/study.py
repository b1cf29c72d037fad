"""White box: networks trained on the twin's data and fine-tuned on real ones, beside those that had one of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twin_envs.base.settings import lasting
from twin_envs.benchmarks.csi.runs import Run
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.benchmarks.csi.white_box.arms import FINE_TUNED, REAL, STREETS, Arms, Plan
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, Sizes
from twin_envs.benchmarks.csi.white_box.samples import ACCESS_POINT, draw, picture_grid
from twin_envs.world.store.site import Site, load_site, world_file

FULL, QUICK = Plan(), Plan(samples=(10, 160, 2560), seeds=1)
Errors = dict[str, dict[str, list[float]]]


def figures(setting: Setting) -> dict[str, Any]:
    """What the study says.

    Returns:
        `sizes`, `parameters`, `schedule`, `counts`: of networks, trainings and data. `access_point`: whose
        links are learnt. `elsewhere`: the other site, of which all links are taken. `samples`: the numbers N.
        `nmse_db`: for streets that no sample is from (`held_out`) and for new places on the others (`seen`), by arm,
        the mean over seeds of the error of unit-norm pictures in reality [dB], one for each N. `generic` was trained on
        another site's twin, `twin` and `real` on N samples of either. The others were trained on the twin and
        fine-tuned on N real samples, chosen by the rule that they are called after, with rehearsal or without.
        `spread_db`: the standard deviation over seeds.
        `stopped_at`: the mean over seeds of the step whose state was kept.
        `equivalent_real_samples`: see `equivalent_samples`. `equivalent_relative`: that number by N.
        `correlation`: with the twin's sample that is most like it, of real samples (quantiles), and the median of the
        hundred that the twin's network reconstructs worst.
        `training_s`: time that all trainings took.
    """
    plan, site = QUICK if setting.quick else FULL, setting.site
    elsewhere = load_site(setting.elsewhere, site.device)
    run = Run(setting.run, _conditions(setting, plan, elsewhere))
    arms: dict[str, list[list[dict[str, float]]]] = {}
    correlations = []
    with lasting():
        for index in range(plan.seeds):
            seed = setting.seed + index
            one = Arms(
                plan,
                draw=partial(draw, site, elsewhere, plan.counts, seed),
                sizes=_sizes(site),
                seed=seed,
                run=run,
                report=setting.report,
                share=(index / plan.seeds, (index + 1) / plan.seeds),
            )
            for arm, records in one.records().items():
                arms.setdefault(arm, []).append(records)
            correlations.append(one.correlation())
    nmse_db: Errors = {streets: _over_seeds(arms, streets, np.mean) for streets in STREETS}
    equivalent = {streets: _equivalent(by, plan.samples) for streets, by in nmse_db.items()}
    return {
        "sizes": dataclasses.asdict(_sizes(site)),
        "parameters": sum(value.numel() for value in Autoencoder(_sizes(site), 0).parameters()),
        "schedule": dataclasses.asdict(plan.schedule),
        "counts": dataclasses.asdict(plan.counts),
        "access_point": site.recipe.access_points[ACCESS_POINT].name,
        "elsewhere": elsewhere.recipe.name,
        "seeds": plan.seeds,
        "samples": list(plan.samples),
        "nmse_db": nmse_db,
        "spread_db": {streets: _over_seeds(arms, streets, np.std) for streets in STREETS},
        "stopped_at": _over_seeds(arms, "stopped_at", np.mean),
        "equivalent_real_samples": equivalent,
        "equivalent_relative": {
            streets: {arm: _relative(by[arm], plan.samples) for arm in FINE_TUNED} for streets, by in equivalent.items()
        },
        "correlation": {name: float(np.mean([one[name] for one in correlations])) for name in correlations[0]},
        "training_s": sum(record["seconds"] for seeds in arms.values() for seed in seeds for record in seed),
    }


def equivalent_samples(error_db: float, samples: Iterable[int], real_db: Iterable[float]) -> float | None:
    """How many real samples lead to an error without a twin, linear in its logarithm between the numbers tried.

    Args:
        error_db: the error.
        samples: the numbers, ascending.
        real_db: the errors that they lead to; where one is larger than that of fewer samples, the smaller one counts.

    Returns:
        The number; 0 if the fewest do as well, None if the most do not.
    """
    gained = -np.minimum.accumulate(np.array(list(real_db)))
    if -error_db > gained[-1]:
        return None
    if -error_db <= gained[0]:
        return 0.0
    return float(np.exp(np.interp(-error_db, gained, np.log(np.array(list(samples))))))


def _equivalent(by_arm: dict[str, list[float]], samples: Sequence[int]) -> dict[str, list[float | None]]:
    return {
        arm: [equivalent_samples(error_db, samples, by_arm[REAL]) for error_db in found]
        for arm, found in by_arm.items()
        if arm != REAL
    }


def _relative(equivalent: Sequence[float | None], samples: Sequence[int]) -> list[float | None]:
    return [None if count is None else count / n for count, n in zip(equivalent, samples, strict=True)]


def _over_seeds(arms: dict[str, list[list[dict[str, float]]]], key: str, of: Any) -> dict[str, list[float]]:
    return {arm: of([[record[key] for record in seed] for seed in seeds], 0).tolist() for arm, seeds in arms.items()}


def _sizes(site: Site) -> Sizes:
    grid = picture_grid(site)
    return Sizes(pixels=2 * grid.taps * grid.antennas)


def _conditions(setting: Setting, plan: Plan, elsewhere: Site) -> dict[str, Any]:
    """All that a piece depends on, beside its seed and its number of samples: more of these may be added to a run."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    site = setting.site
    return {
        "source_sha256": hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest(),
        "site": site.recipe.name,
        "elsewhere": elsewhere.recipe.name,
        "carrier_hz": site.recipe.carrier_hz,
        "array": dataclasses.asdict(site.recipe.array),
        "worlds_sha256": {
            f"{place.recipe.name}/{world}": place.manifest["files"][world_file(world)]["sha256"]
            for place, world in ((site, "twin"), (site, "reality"), (elsewhere, "twin"))
        },
        "architecture": {"name": "autoencoder-1", **dataclasses.asdict(_sizes(site))},
        "counts": dataclasses.asdict(plan.counts),
        "schedule": dataclasses.asdict(plan.schedule),
        "device": str(site.device),
    }
