"""Life cycle of a channel twin: reality drifts, reports show it, and the twin is brought up to date by them.

Privileged: measures in reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console

from twin_envs.agents.association.twin import TwinGains
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array
from twin_envs.agents.core.rollout import play
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.twins.coverage import judge, put
from twin_envs.benchmarks.twins.splits import Split
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge, SensedState
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
_NAME = "as-it-is"
_ENV, _OPTIONS = "ApSelection", {"episode_slots": 2000, "commissioning_places": 0}
"""What is played, and how: nobody goes round again."""
_PLAYED = ("none", "everywhere")
"""Drifts after which the world is `reality` everywhere, so that episodes can be played in it."""
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
    site: Site,
    commissioned: int,
    reporting: tuple[int, ...],
    judged: int,
    orders: int,
    episodes: int,
    seed: int,
    console: Console,
) -> dict[str, Any]:
    """What drift costs twins that were commissioned before it, when reports show it, and what they mend.

    Args:
        site: the site.
        commissioned: places that were measured before the drift.
        reporting: numbers of places from which UEs have reported since.
        judged: places at which twins are judged, after it; none of them reported. Where one block has drifted, those in
            it count.
        orders: in which reports come in, each of which gives a time to the alarm.
        episodes: of `ApSelection` after the drift, which a policy plays that goes by the twin's gains alone.
        seed: of the places and episodes.
        console: told what is being done.

    Returns:
        By drift and twin: `mae_db`, of the gain, of the twin as it was commissioned (`kept`) and by number of places
        that reported, if it learns from all that was ever measured (`added`), from reports alone (`replaced`), and from
        how they differ from what it said (`synchronised`); `within_90`, the share in its 90 % interval, of the same;
        `earned`, the mean return of these episodes [bit/s/Hz] with its interval, of the same, but where one block alone
        has drifted, and `over_fresh`, the paired difference to the same twin if nothing has drifted, as it is;
        `false_alarms` or `alarms`, the share of orders in which drift is told of within 300 reported links;
        `links_to_alarm`, the median of how many it takes where it is.
    """
    names = ("mae_db", "within_90", "earned", "over_fresh", "alarms", "links_to_alarm")
    figures: dict[str, Any] = {name: {} for name in names}
    reports = _reported(measure(site, _AFTER, max(reporting), seed + 1), seed)
    elsewhere = measure(site, _AFTER, judged, seed + 2)
    aps = torch.ones(len(site.geometry.ap_position_m), dtype=torch.bool, device=site.device)
    fresh: dict[str, Array] = {}  # what is played first
    for drift, where in DRIFTS.items():
        before = _before(site, drift, commissioned, seed)
        drifted = where(site, elsewhere.place_m)
        after = Split(learn=reports, judge=elsewhere.at(drifted) if drifted.any() else elsewhere, aps=aps)
        for name in TWINS:
            console.print(f"{drift}, {name} ...")
            raw = channel_twins.get(name)(site, "twin", site.device)
            stale = learnt(raw, before, site.geometry)
            updates = _updates(site, raw, stale, before)
            twins = {("kept", "0"): stale} | {
                (kind, str(count)): update(_first(after.learn, count))
                for kind, update in updates.items()
                for count in reporting
            }
            for key, twin in twins.items():
                told = judge(twin, after, site)
                for figure in ("mae_db", "within_90"):
                    put(figures[figure], (drift, name, *key), told[figure])
                if drift in _PLAYED:
                    returns = _returns(site, twin, episodes, seed)
                    over = paired_difference(returns, fresh.setdefault(name, returns), np.random.default_rng(seed))
                    put(figures["earned"], (drift, name, *key), interval(returns, np.random.default_rng(seed)))
                    put(figures["over_fresh"], (drift, name, *key), over)
            share, links = _alarms(stale, after.learn, orders, seed)
            put(figures["alarms"], (drift, name), share)
            put(figures["links_to_alarm"], (drift, name), links)
    return figures


@dataclass(frozen=True, kw_only=True)
class _AsItIs:
    """A twin that nobody tells anything more."""

    twin: ChannelTwin

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        return self.twin.predict(sensed, ap)


@contextmanager
def _named(twin: ChannelTwin) -> Iterator[str]:
    """A name by which environments know the twin for as long."""
    channel_twins.register(_NAME, lambda site, world, device: _AsItIs(twin=twin))
    try:
        yield _NAME
    finally:
        channel_twins.unregister(_NAME)


def _returns(site: Site, twin: ChannelTwin, episodes: int, seed: int) -> Array:
    """What a policy earns that goes by the gains of the twin, float64 [episodes]."""
    with _named(twin) as name:
        how = {"site": site.asked_for, "channel_twin": name, "device": site.device, **_OPTIONS}
        return play(TwinGains(), make_envs(_ENV, episodes, **how), evaluation_seeds(seed, episodes)).returns


def _updates(
    site: Site, raw: ChannelTwin, stale: ChannelTwin, before: Measurements
) -> dict[str, Callable[[Measurements], ChannelTwin]]:
    return {
        "added": lambda reports: learnt(raw, together(before, reports), site.geometry),
        "replaced": lambda reports: learnt(raw, reports, site.geometry),
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
