"""Stages of a channel twin: from traced links alone, from measurements alone, and from both.

Privileged: compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console

from twin_envs.benchmarks.twins.coverage import judge, put
from twin_envs.benchmarks.twins.splits import Split, all_splits
from twin_envs.twin.interpolated.features import features_of
from twin_envs.twin.map.features import map_features
from twin_envs.twin.neural.links import Links, Samples, links_of, traced_links
from twin_envs.twin.neural.twin import NeuralTwin, SyntheticTwin, nearest_points
from twin_envs.world.store.site import Site


def stages(sites: list[Site], places: tuple[int, ...], judged: int, seed: int, console: Console) -> dict[str, Any]:
    """What it is worth that a network has learnt from traced links before.

    Args:
        sites: the sites.
        places: numbers of measured places.
        judged: places on which twins are judged.
        seed: of the places.
        console: told what is being done.

    Returns:
        `mae_db`, the mean absolute error of gains as in `coverage`, by stage, split, site and number of places; no
        twin is told its own error.
        `synthetic` has learnt from traced links alone, `measured` from measurements alone, hidden layers and all,
        `transfer` from traced links and then from measurements.
    """
    found: dict[str, Any] = {}
    for site, where, split in all_splits(sites, places, judged, seed, console):
        traced = traced_links(site, "twin")
        made = {
            "synthetic": SyntheticTwin(traced),
            "measured": NeuralTwin(_measured_links(site, split)).learning(split.learn),
            "transfer": NeuralTwin(traced).learning(split.learn),
        }
        for name, twin in made.items():
            put(found, (name, *where), judge(twin, split, site)["mae_db"])
    return {"mae_db": found}


def _measured_links(site: Site, split: Split) -> Links:
    """The links of a site to a network that has learnt from nothing but what was measured: it knows the map."""
    measured, geometry = split.learn, site.geometry
    heard = measured.heard(len(geometry.ap_position_m))
    place = nearest_points(geometry, measured.place_m)
    silent, ap = (~heard & heard.any(0)).nonzero(as_tuple=True)
    features = features_of(measured.values, measured.sensed)
    return links_of(
        map_features(site),
        Samples(
            ap=torch.cat([measured.ap, ap]),
            cell=torch.cat([nearest_points(geometry, measured.sensed.position_m), place[silent]]),
            features=torch.cat([features, torch.zeros(len(ap), features.shape[1], device=ap.device)]),
            heard=torch.arange(len(measured.ap) + len(ap), device=ap.device) < len(measured.ap),
        ),
    )
