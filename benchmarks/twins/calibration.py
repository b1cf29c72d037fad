"""Case study of calibration: what constants and poses cost a traced twin, and how much of that few places win back.

Privileged: traces with reality's constants and poses, and compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console

from twin_envs.benchmarks.twins.coverage import judge, put
from twin_envs.benchmarks.twins.splits import Split
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.calibration.constants import Constants
from twin_envs.twin.calibration.twin import CalibratedTwin, calibrated_twin
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge, SensedState
from twin_envs.twin.learning import learnt
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.twin.registry import channel_twins
from twin_envs.world.building.clutter import no_clutter
from twin_envs.world.building.survey import surveyed_clutter
from twin_envs.world.building.tracing import Tracer
from twin_envs.world.recipe import open_recipe
from twin_envs.world.store.reading import RECIPE
from twin_envs.world.store.site import Site

_FIGURES = ("mae_db", "mae_known_db", "missed", "claimed", "within_90")
_BOUND, _TRACED, _RAW = "true constants and poses", "traced", "scattering, not calibrated"
_CALIBRATED = "calibrated"


def calibration(
    site: Site, places: tuple[int, ...], judged: int, seeds: int, seed: int, console: Console
) -> dict[str, Any]:
    """Errors of gains of a traced twin as it is, calibrated, and traced with reality's constants and poses.

    Args:
        site: one whose scattering was traced.
        places: numbers of measured places.
        judged: places on which twins are judged, the same for all.
        seeds: so many times other places are measured.
        seed: of all places.
        console: told what is being done.

    Returns:
        By contender and number of places, `0` for none: `mae_db` and the others of `coverage`, means over the seeds,
        of gains as twins say them; those of `learnt` ones, which know how wrong they are at places that were kept from
        them, are in `learnt`. `closed`: by how much of what is between the traced twin's `mae_db` and that with
        reality's constants and poses the calibrated twin is better, and `closed_known` the same over links that each
        knows of. `spread`: standard deviations of the calibrated `mae_db` over the seeds. `links`: measured links, by
        number of places. `constants`: as they were found, means over seeds; `yaw_off_rad` is the mean absolute error of
        the yaw with which gains are explained, `turned_off_rad` of that by which arrays are turned, and `yaw_rad` the
        size of the true one.
    """
    everywhere = torch.ones(len(site.geometry.ap_position_m), dtype=torch.bool, device=site.device)
    kept = measure(site, "reality", judged, seed)
    console.print("tracing with reality's constants and poses ...")
    bound, true_yaw_rad = with_true_constants(site, kept.place_m)
    raw = calibrated_twin(site, "twin", site.device)
    traced, residual = (channel_twins.get(name)(site, "twin", site.device) for name in (_TRACED, "residual"))
    nothing = Split(learn=kept, judge=kept, aps=everywhere)
    figures: dict[str, Any] = {
        "learnt": {},
        "links": {},
        "constants": {},
        "closed": {},
        "closed_known": {},
        "spread": {},
    }
    for name, twin in {_TRACED: traced, _RAW: raw, _BOUND: bound}.items():
        for figure, value in judge(twin, nothing, site).items():
            put(figures, (figure, name, "0"), value)
    for count in places:
        console.print(f"{count} places ...")
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        links, constants = [], []
        for number in range(seeds):
            learn = measure(site, "reality", count, seed + 1 + number)
            split = Split(learn=learn, judge=kept, aps=everywhere)
            links.append(len(learn.ap))
            calibrated: CalibratedTwin = raw.learning(learn)
            constants.append(_told(calibrated, true_yaw_rad))
            for kind, twin in _contenders(site, traced, residual, raw, calibrated, split):
                found.setdefault(kind, []).append(judge(twin, split, site))
        for (part, name), told in found.items():
            for figure in _FIGURES:
                where = (figure, name, str(count)) if part == "" else (part, figure, name, str(count))
                put(figures, where, float(np.mean([one[figure] for one in told])))
        figures["links"][str(count)] = float(np.mean(links))
        figures["constants"][str(count)] = {
            name: float(np.mean([one[name] for one in constants])) for name in constants[0]
        }
        figures["spread"][str(count)] = float(np.std([one["mae_db"] for one in found["", _CALIBRATED]]))
        for figure, by in (("closed", "mae_db"), ("closed_known", "mae_known_db")):
            worst, best = (figures[by][name]["0"] for name in (_TRACED, _BOUND))
            figures[figure][str(count)] = (worst - figures[by][_CALIBRATED][str(count)]) / (worst - best)
    return figures


def _contenders(
    site: Site, traced: ChannelTwin, residual: Any, raw: CalibratedTwin, calibrated: CalibratedTwin, split: Split
) -> Iterator[tuple[tuple[str, str], ChannelTwin]]:
    yield ("", _CALIBRATED), calibrated
    yield ("", "residual"), residual.learning(split.learn)
    for name, twin in {_TRACED: traced, "residual": residual, _CALIBRATED: raw}.items():
        yield ("learnt", name), learnt(twin, split.learn, site.geometry)


def _told(twin: CalibratedTwin, true_yaw_rad: torch.Tensor) -> dict[str, float]:
    constants, turned_rad = cast(Constants, twin.constants), cast(torch.Tensor, twin.turned_rad)
    return {
        "reflection_db": float(constants.reflection_db),
        "scattering_db": float(constants.scattering_db),
        "yaw_rad": float(true_yaw_rad.abs().mean()),
        "yaw_off_rad": float((constants.yaw_rad - true_yaw_rad).abs().mean()),
        "turned_off_rad": float((turned_rad - true_yaw_rad).abs().mean()),
    }


class Traced:
    """Says the gains that were traced at some places, and nothing else.

    Args:
        place_m: where, float32 [P, 2].
        gain_db: float32 [P, A]; minus infinity where nothing arrives.
    """

    def __init__(self, place_m: torch.Tensor, gain_db: torch.Tensor) -> None:
        self._place_m, self._gain_db = place_m, gain_db

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        place = torch.cdist(sensed.position_m, self._place_m).argmin(-1)
        values = torch.zeros(len(ap), len(KNOWLEDGE_FIELDS), device=ap.device)
        values[:, list(KNOWLEDGE_FIELDS).index("gain_db")] = self._gain_db[place, ap]
        there = self._gain_db[place, ap].isfinite()
        return Knowledge(covered=there.float(), values=values, std=torch.zeros_like(values))


def with_true_constants(site: Site, place_m: torch.Tensor) -> tuple[Traced, torch.Tensor]:
    """A twin at places [P, 2] that lacks nothing but reality's objects, and how much further each AP looks [A]."""
    _, recipe = open_recipe(str(site.path / RECIPE))
    yaw_rad = surveyed_clutter(recipe).yaw_error_rad
    world = replace(recipe.worlds["twin"], real=True)
    tracer = Tracer(recipe, world, replace(no_clutter(len(yaw_rad)), yaw_error_rad=yaw_rad))
    position_m = site.geometry.ground.place(place_m).cpu().double().numpy()
    power = [np.square(np.abs(tracer.trace(ap, position_m).gain)).sum(-1) for ap in range(len(yaw_rad))]
    gain_db = 10 * torch.from_numpy(np.stack(power, -1)).log10().float().to(place_m.device)
    return Traced(place_m, gain_db), torch.from_numpy(yaw_rad).float().to(place_m.device)
