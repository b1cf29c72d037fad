"""Life cycle of a channel twin: reality drifts, reports show it, and the twin is brought up to date by them.

Privileged: measures in reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console

from twin_envs.benchmarks.twins.coverage import judge
from twin_envs.benchmarks.twins.splits import Split
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS
from twin_envs.twin.learning import learnt
from twin_envs.twin.lifecycle.drift import beyond_interval, reports_to_alarm
from twin_envs.twin.lifecycle.synchronising import synchronised
from twin_envs.twin.measurements import Measurements, together
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site

_BEFORE, _AFTER = "twin", "reality"
"""Worlds of a street before and after trees, vehicles and furniture have come, and walls are what they are."""
_SIDE_M = 60.0
_REPORT_STD_M = 2.5
"""What sensing gives a UE in the open: see `Gnss`."""
TWINS = ("kriging", "semantic")
_LONGEST = 300
_GAIN = list(KNOWLEDGE_FIELDS).index("gain_db")


def _nowhere(site: Site, place_m: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(place_m), dtype=torch.bool, device=place_m.device)


def _one_block(site: Site, place_m: torch.Tensor) -> torch.Tensor:
    """In the square round that grid point which has the most others in its own."""
    point_m = site.geometry.point_m[:, :2]
    near = torch.cdist(point_m, point_m, p=torch.inf) < _SIDE_M / 2
    return ((place_m - point_m[near.sum(-1).argmax()]).abs() < _SIDE_M / 2).all(-1)


def _everywhere(site: Site, place_m: torch.Tensor) -> torch.Tensor:
    return ~_nowhere(site, place_m)


DRIFTS: dict[str, Callable[[Site, torch.Tensor], torch.Tensor]] = {
    "none": _nowhere,
    "one block": _one_block,
    "everywhere": _everywhere,
}
"""At which places [P, 2] reality has drifted, bool [P]."""


def staleness(
    site: Site, commissioned: int, reporting: tuple[int, ...], judged: int, orders: int, seed: int, console: Console
) -> dict[str, Any]:
    """What drift costs twins that were commissioned before it, when reports show it, and what they mend.

    Args:
        site: the site.
        commissioned: places that were measured before the drift.
        reporting: numbers of places from which UEs have reported since.
        judged: places at which twins are judged, after it; none of them reported. Where one block has drifted, those in
            it count.
        orders: in which reports come in, each of which gives a time to the alarm.
        seed: of the places.
        console: told what is being done.

    Returns:
        By drift and twin: `mae_db`, of the gain, of the twin as it was commissioned (`kept`) and by number of places
        that reported, if it learns from all that was ever measured (`added`), from reports alone (`replaced`), and from
        how they differ from what it said (`synchronised`); `within_90`, the share in its 90 % interval, of the same;
        `false_alarms` or `alarms`, the share of orders in which drift is told of within 300 reported links;
        `links_to_alarm`, the median of how many it takes where it is.
    """
    figures: dict[str, Any] = {"mae_db": {}, "within_90": {}, "alarms": {}, "links_to_alarm": {}}
    reports = _reported(measure(site, _AFTER, max(reporting), seed + 1), seed)
    elsewhere = measure(site, _AFTER, judged, seed + 2)
    aps = torch.ones(len(site.geometry.ap_position_m), dtype=torch.bool, device=site.device)
    for drift, where in DRIFTS.items():
        before = _before(site, drift, commissioned, seed)
        drifted = where(site, elsewhere.place_m)
        after = Split(learn=reports, judge=elsewhere.at(drifted) if drifted.any() else elsewhere, aps=aps)
        for name in TWINS:
            console.print(f"{drift}, {name} ...")
            raw = channel_twins.get(name)(site, "twin", site.device)
            stale = learnt(raw, before)
            told = {"kept": {"0": judge(stale, after, site)}}
            for kind, update in _updates(site, raw, stale, before).items():
                told[kind] = {str(count): judge(update(_first(after.learn, count)), after, site) for count in reporting}
            for figure in ("mae_db", "within_90"):
                figures[figure].setdefault(drift, {})[name] = {
                    kind: {count: values[figure] for count, values in by_count.items()}
                    for kind, by_count in told.items()
                }
            share, links = _alarms(stale, after.learn, orders, seed)
            figures["alarms"].setdefault(drift, {})[name] = share
            figures["links_to_alarm"].setdefault(drift, {})[name] = links
    return figures


def _updates(
    site: Site, raw: ChannelTwin, stale: ChannelTwin, before: Measurements
) -> dict[str, Callable[[Measurements], ChannelTwin]]:
    return {
        "added": lambda reports: learnt(raw, together(before, reports)),
        "replaced": lambda reports: learnt(raw, reports),
        "synchronised": lambda reports: synchronised(stale, reports, site.geometry),
    }


def _before(site: Site, drift: str, places: int, seed: int) -> Measurements:
    """What was measured before the drift; the same places, directions and, where nothing drifts, world."""
    old, new = (measure(site, world, places, seed) for world in (_BEFORE, _AFTER))
    inside = DRIFTS[drift](site, old.place_m)
    return together(old.at(inside), new.at(~inside))


def _reported(measured: Measurements, seed: int) -> Measurements:
    """The same as UEs report it, which know their places less well than somebody with a channel sounder."""
    wrong = np.random.default_rng(seed).standard_normal(tuple(measured.place_m.shape))
    off_m = _REPORT_STD_M * torch.from_numpy(wrong).to(measured.place_m)
    sensed = replace(
        measured.sensed,
        position_m=measured.sensed.position_m + off_m[measured.place],
        position_std_m=torch.full_like(measured.sensed.position_std_m, _REPORT_STD_M),
    )
    return replace(measured, sensed=sensed, place_m=measured.place_m + off_m)


def _first(measured: Measurements, count: int) -> Measurements:
    return measured.at(torch.arange(len(measured.place_m), device=measured.ap.device) < count)


def _alarms(stale: ChannelTwin, reports: Measurements, orders: int, seed: int) -> tuple[float, float | None]:
    """In which share of orders of the reports an alarm is raised, and the median of after how many."""
    beyond = beyond_interval(stale.predict(reports.sensed, reports.ap), reports.values[:, _GAIN])
    generator, found = np.random.default_rng(seed), []
    for _ in range(orders):
        order = torch.from_numpy(generator.permutation(len(beyond))[:_LONGEST]).to(beyond.device)
        found.append(reports_to_alarm(beyond[order]))
    raised = [count for count in found if count is not None]
    return len(raised) / orders, float(median(raised)) if raised else None
