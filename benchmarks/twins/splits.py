"""From which measurements a twin learns, and on which others it is judged.

Privileged: measures in reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from rich.console import Console

from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.measurements import Measurements
from twin_envs.world.store.site import Site

_BLOCK_M = 40.0
_ONE_IN = 4
"""One block, or access point, in so many is kept from the twins."""
_SPARE = 3
"""So many times as many places are measured as are wanted outside the blocks."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """What a twin learns from and what it is judged on.

    Attributes:
        learn: the twin's.
        judge: measurements that are kept from it.
        aps: of which access points it is judged, bool [A].
    """

    learn: Measurements
    judge: Measurements
    aps: torch.Tensor


def random_places(site: Site, places: int, judged: int, seed: int) -> Split:
    """Places anywhere, and others anywhere."""
    return Split(learn=_measure(site, places, seed), judge=_measure(site, judged, seed + 1), aps=_all(site))


def spatial_blocks(site: Site, places: int, judged: int, seed: int) -> Split:
    """Judged in squares of 40 m, one in four, in which nothing was measured."""
    learn, judge = (_measure(site, _SPARE * count, seed + n) for n, count in enumerate((places, 2 * judged)))
    outside, inside = ~_in_blocks(learn.place_m), _in_blocks(judge.place_m)
    return Split(learn=learn.at(_first(outside, places)), judge=judge.at(_first(inside, judged)), aps=_all(site))


def held_out_aps(site: Site, places: int, judged: int, seed: int) -> Split:
    """Judged on one access point in four, of which nothing was measured."""
    aps = torch.arange(len(site.geometry.ap_position_m), device=site.device) % _ONE_IN == seed % _ONE_IN
    split = random_places(site, places, judged, seed)
    learn, judge = split.learn.links(~aps[split.learn.ap]), split.judge.links(aps[split.judge.ap])
    return Split(learn=learn, judge=judge, aps=aps)


SPLITS: dict[str, Callable[[Site, int, int, int], Split]] = {
    "random": random_places,
    "spatial-block": spatial_blocks,
    "held-out-ap": held_out_aps,
}


def all_splits(
    sites: Sequence[Site], places: Sequence[int], judged: int, seed: int, console: Console
) -> Iterator[tuple[Site, tuple[str, str, str], Split]]:
    """Every site, split and number of measured places in turn: the site, the names of all three by which figures are
    told (split, site, places), and the split. The console is told of each.
    """
    for site in sites:
        for kind, split_up in SPLITS.items():
            for count in places:
                console.print(f"{site.recipe.name}, {kind}, {count} places ...")
                yield site, (kind, site.recipe.name, str(count)), split_up(site, count, judged, seed)


def _measure(site: Site, places: int, seed: int) -> Measurements:
    return measure(site, "reality", places, seed)


def _all(site: Site) -> torch.Tensor:
    return torch.ones(len(site.geometry.ap_position_m), dtype=torch.bool, device=site.device)


def _in_blocks(place_m: torch.Tensor) -> torch.Tensor:
    """Which places [P, 2] lie in a block that is kept, bool [P]: no two of them touch by a side."""
    column, row = (place_m / _BLOCK_M).floor().long().unbind(-1)
    return (column + 2 * row) % _ONE_IN == 0


def _first(which: torch.Tensor, count: int) -> torch.Tensor:
    """The first `count` of them, bool [P]."""
    return which & (which.cumsum(0) <= count)
