"""Semi-black box and black box: codecs for scenes that were never seen, written from their maps."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from twin_envs.base.settings import lasting
from twin_envs.benchmarks.csi.runs import Run
from twin_envs.benchmarks.csi.semi_black_box.arms import AGNOSTIC, Plan, SeedOfStudy
from twin_envs.benchmarks.csi.semi_black_box.samples import PIXELS
from twin_envs.benchmarks.csi.semi_black_box.scenes import Scene, traced
from twin_envs.benchmarks.csi.semi_black_box.training import Schedule
from twin_envs.benchmarks.csi.semi_black_box.views import views
from twin_envs.benchmarks.csi.setting import Setting

FULL = Plan()
QUICK = Plan(places=12, held_out=4, access_points=2, pictures=128, schedule=Schedule(steps=60, tuning_steps=12))


def figures(setting: Setting) -> dict[str, Any]:
    """What the study says.

    Returns:
        `plan`: sizes, counts and schedule. `pixels`: real numbers in a picture. `views`: access points in the scenes
        learnt from (`learnt`) and in those held out (`unseen`). `nmse_db`: by world (`twin`, `reality`) and arm the
        mean error of unit-norm pictures over held-out scenes [dB]. `gain_db`: by how much that is less than the
        scene-agnostic codec's, positive if better. `better_share`: of held-out access points, those where the arm is
        better than it. `divergence`: of profiles from those of held-out scenes, see `SeedOfStudy.divergence`.
        `parameters`: of the codec, and of what writes weights.
    """
    plan = QUICK if setting.quick else FULL
    places = Run(setting.run / "places", {})
    run = Run(setting.run, _conditions(plan))
    first_unseen = plan.places - plan.held_out
    scenes: list[tuple[int, Scene]] = []
    for number in range(plan.places):
        setting.report("scenes", number / plan.places, f"place {number}")
        scene = traced(number, access_points=plan.access_points, real=number >= first_unseen, run=places)
        scenes.append((number, scene))
    with lasting():
        learnt = views(scenes[:first_unseen], plan.pictures, setting.seed)
        unseen = views(scenes[first_unseen:], plan.pictures + plan.pictures // 2, setting.seed)
        one = SeedOfStudy(plan, learnt=learnt, unseen=unseen, seed=setting.seed, run=run, report=setting.report)
        errors = one.scores()
        return {
            "plan": dataclasses.asdict(plan),
            "pixels": PIXELS,
            "views": {"learnt": len(learnt.place), "unseen": len(unseen.place)},
            "nmse_db": _by_arm(errors, lambda own, general: _db(own)),
            "gain_db": _by_arm(errors, lambda own, general: _db(general) - _db(own)),
            "better_share": _by_arm(errors, lambda own, general: float(np.less(own, general).mean())),
            "divergence": one.divergence(),
            "parameters": one.parameters(),
        }


def _by_arm(
    errors: dict[str, dict[str, list[float]]], figure: Callable[[list[float], list[float]], float]
) -> dict[str, dict[str, float]]:
    """A figure of each arm in each world, from its errors and the scene-agnostic codec's."""
    return {world: {arm: figure(own, arms[AGNOSTIC]) for arm, own in arms.items()} for world, arms in errors.items()}


def _db(errors: list[float]) -> float:
    return float(10 * np.log10(np.mean(errors)))


def _conditions(plan: Plan) -> dict[str, Any]:
    """All that a piece depends on, beside its seed: more of these may be added to a run."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return {
        "source_sha256": hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest(),
        "architecture": "dense-16-refined",
        **dataclasses.asdict(plan),
    }
