"""Case study of coverage: how far off are a twin's gains where nothing was measured, and does it know?

Privileged: compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from rich.console import Console

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.twins.splits import Split, all_splits
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.envs.reality.twin_error import LEAST_SNR
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, SensedState
from twin_envs.twin.learning import learnt
from twin_envs.twin.measurements import Measurements
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site

_STD_90 = 1.645
"""Of a normal distribution, 90 % lies within so many standard deviations."""
_QUERIES = 16_384


def coverage(sites: list[Site], places: tuple[int, ...], judged: int, seed: int, console: Console) -> dict[str, Any]:
    """How well every registered channel twin knows gains.

    Args:
        sites: the sites.
        places: numbers of measured places.
        judged: places on which twins are judged.
        seed: of the places.
        console: told what is being done.

    Returns:
        By twin, split, site and number of places: `mae_db`, the mean absolute error of the gain over links that are
        served, those that the twin does not know of at the least gain that is heard; `mae_known_db`, over those it
        knows of; `missed`, their share that it does not know of; `claimed`, the share of links which are not served of
        which it says that they are, 0 if all are served; `within_90`, the share of what it knows of that lies in its
        90 % interval.
        `measurements` by split, site and places; `resource_elements` by site and places.
        `refused`: why a twin could not learn.
    """
    figures: dict[str, Any] = {
        name: {}
        for name in ("mae_db", "mae_known_db", "missed", "claimed", "within_90", "measurements", "resource_elements")
    }
    figures["refused"] = {}
    for site, where, split in all_splits(sites, places, judged, seed, console):
        put(figures["measurements"], where, len(split.learn.ap))
        if where[0] == "random":
            put(figures["resource_elements"], where[1:], split.learn.resource_elements)
        for name in channel_twins:
            try:
                twin = learnt(channel_twins.get(name)(site, "twin", site.device), split.learn, site.geometry)
            except ConfigurationError as error:
                put(figures["refused"], (name, *where), str(error))
                continue
            for figure, value in judge(twin, split, site).items():
                put(figures[figure], (name, *where), value)
    return figures


def judge(twin: ChannelTwin, split: Split, site: Site) -> dict[str, float]:
    """What `coverage` tells of one twin that has learnt."""
    judged, aps = split.judge, split.aps.nonzero()[:, 0]
    least_db = 10 * math.log10(LEAST_SNR * noise_to_power(site.recipe))
    true_db = judged.values[:, list(KNOWLEDGE_FIELDS).index("gain_db")]
    said = twin.predict(judged.sensed, judged.ap)
    known = said.covered > 0
    off = (torch.where(known, said["gain_db"], least_db) - true_db).abs()
    heard = judged.heard(len(split.aps))[:, aps]
    place, ap = (~heard).nonzero(as_tuple=True)
    unserved = twin.predict(_standing(judged, place), aps[ap])
    claimed = (unserved.covered > 0) & (unserved["gain_db"] > least_db)
    return {
        "mae_db": float(off.mean()),
        "mae_known_db": float(off[known].mean()),
        "missed": float((~known).float().mean()),
        "claimed": float(claimed.float().mean()) if len(claimed) else 0.0,
        "within_90": float((off <= _STD_90 * said.uncertainty("gain_db"))[known].float().mean()),
    }


def queries_per_second(site: Site, measured: Measurements) -> dict[str, float]:
    """Links that each twin answers in a second of one thread's time, asked about many at once."""
    return {
        name: queries_per_second_of(
            learnt(channel_twins.get(name)(site, "twin", site.device), measured, site.geometry), measured
        )
        for name in channel_twins
    }


def queries_per_second_of(twin: ChannelTwin, measured: Measurements) -> float:
    """Links that a twin answers in a second of one thread's time, asked about those that were measured over again."""
    again = torch.arange(_QUERIES, device=measured.ap.device) % len(measured.ap)
    sensed, ap = measured.sensed.of(again), measured.ap[again]
    twin.predict(sensed, ap)
    begun_s = time.process_time()
    twin.predict(sensed, ap)
    return _QUERIES / (time.process_time() - begun_s)


def _standing(measured: Measurements, place: torch.Tensor) -> SensedState:
    """A UE that stands at each of some places [N], as well known as the sounder's."""
    nothing = torch.zeros(len(place), device=place.device)
    std_m = measured.sensed.position_std_m[:1].expand(len(place))
    position_m = measured.place_m[place]
    return SensedState(
        position_m=position_m,
        velocity_m_s=torch.zeros_like(position_m),
        position_std_m=std_m,
        velocity_std_m_s=nothing,
    )


def put(tree: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    """Note a value under keys in a tree of dictionaries, which grows as it must."""
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value
