"""Stages of a channel twin: from traced links alone, from measurements alone, and from both.

Privileged: compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Mapping
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
        `transfer` from traced links and then from measurements. `fewer`: how many times as many places it takes to be
        as good from measurements alone as `transfer` is from these (see `times_fewer`), by split, site and places.
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
    fewer = {
        split: {
            site: {
                count: times_fewer(found["measured"][split][site], int(count), error_db)
                for count, error_db in own.items()
            }
            for site, own in by_site.items()
        }
        for split, by_site in found["transfer"].items()
    }
    return {"mae_db": found, "fewer": fewer}


def times_fewer(alone_db: Mapping[str, float], places: int, error_db: float) -> dict[str, Any]:
    """How many times as many places it takes to be wrong by `error_db` without what was learnt before.

    Args:
        alone_db: errors from measurements alone, by number of places, the least first.
        places: from so many the error is `error_db` with it.
        error_db: that error.

    Returns:
        `times`, where the error alone first comes down to `error_db`: between two numbers of places it falls in
        proportion to their logarithm. `bound`: `exact` if it does so between the least and the most places; if not,
        it takes `more` than so many times as many, or no more than that (`less`).
    """
    counts, errors_db = [int(count) for count in alone_db], list(alone_db.values())
    down = next((n for n, error in enumerate(errors_db) if error <= error_db), None)
    if not down:
        most, bound = (counts[-1], "more") if down is None else (counts[0], "less")
        return {"times": most / places, "bound": bound}
    low, high = counts[down - 1 : down + 1]
    share = (errors_db[down - 1] - error_db) / (errors_db[down - 1] - errors_db[down])
    return {"times": low * (high / low) ** share / places, "bound": "exact"}


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
