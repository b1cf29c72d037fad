"""A partial map: what the semantic twin loses by it, and what completing the map wins back.

Privileged: measures in reality (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from rich.console import Console

from twin_envs.benchmarks.twins.coverage import judge, put
from twin_envs.benchmarks.twins.splits import Split, random_places
from twin_envs.twin.learning import learnt
from twin_envs.twin.map.completion import PartialMap, as_near_by, without
from twin_envs.twin.map.evidence import informed
from twin_envs.twin.map.features import read_map
from twin_envs.twin.map.skyline import Skyline, skyline_of
from twin_envs.twin.semantic.knowledge_store import environment_of
from twin_envs.twin.semantic.twin import twin_of_environment
from twin_envs.world.store.site import Site

_SIDE_M = 30
"""Squares of so many metres are known or not: about a building each."""
WHOLE, FREE, NEAR_BY = "whole", "unknown is free", "completed by what is near by"
MEASURED, EVEN = "by what is measured, too", "the same, all that is likelier than not"


def completion(
    site: Site,
    shares: tuple[float, ...],
    places: tuple[int, ...],
    judged: int,
    draws: int,
    seed: int,
    console: Console,
) -> dict[str, Any]:
    """How far off the semantic twin is with the whole map, with part of it, and with that completed.

    Args:
        site: the site.
        shares: of the squares of the map that are not known.
        places: numbers of measured places, from which the twin learns and, in one case, the map is completed.
        judged: places on which twins are judged.
        draws: of squares and places.
        seed: of both.
        console: told what is being done.

    Returns:
        `mae_db` of the gain, as in `coverage`, by unknown share, map and number of places; `mean` over the draws and
        its standard error `se`. `gained_db`: the same of how much better a map serves than unknown squares taken to be
        free, of the same draw. `right`: the share of unknown cells that a map has as they are.
    """
    whole, found, right = skyline_of(site), _Draws(), _Draws()
    for draw in range(draws):
        console.print(f"draw {draw + 1} of {draws} ...")
        splits = {count: random_places(site, count, judged, seed + 2 * draw) for count in places}
        exact_db = _errors_db(site, whole, splits)
        for share in shares:
            partial = without(whole, _unknown(whole, share, seed + draw))
            for name, skylines in _maps(site, partial, splits).items():
                errors_db: dict[int, float] = {}
                for skyline, counts in skylines:
                    errors_db |= _errors_db(site, skyline, {count: splits[count] for count in counts})
                    alike = float((skyline.built == whole.built)[partial.unknown].float().mean())
                    right.add((f"{share:g}", name), dict.fromkeys(counts, alike))
                found.add((f"{share:g}", name), errors_db)
            found.add((f"{share:g}", WHOLE), exact_db)
    return {"mae_db": found.told(), "gained_db": found.told(over=FREE), "right": right.told()}


def _maps(
    site: Site, partial: PartialMap, splits: dict[int, Split]
) -> dict[str, list[tuple[Skyline, tuple[int, ...]]]]:
    """The maps that are made of a partial one by name, each with the numbers of measured places that it is for."""
    near_by, every = as_near_by(partial), tuple(splits)
    measured = {
        count: informed(near_by, partial, site.geometry, site.recipe, split.learn) for count, split in splits.items()
    }
    return {
        FREE: [(partial.skyline, every)],
        NEAR_BY: [(near_by.skyline(), every)],
        MEASURED: [(belief.skyline(), (count,)) for count, belief in measured.items()],
        EVEN: [(belief.skyline(0.5), (count,)) for count, belief in measured.items()],
    }


def _unknown(skyline: Skyline, share: float, seed: int) -> torch.Tensor:
    """Some squares of a map, bool [ny, nx]."""
    shape = skyline.built.shape
    rows, columns = (-(-size // _SIDE_M) for size in shape)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows * columns)).to(skyline.built.device)
    squares = (order < round(share * rows * columns)).view(rows, columns)
    cells = squares.repeat_interleave(_SIDE_M, 0).repeat_interleave(_SIDE_M, 1)
    return cells[: shape[0], : shape[1]]


def _errors_db(site: Site, skyline: Skyline, splits: dict[int, Split]) -> dict[int, float]:
    """The mean absolute error of the gain by the semantic twin with a map, by number of measured places."""
    raw = twin_of_environment(environment_of(read_map(skyline, site.geometry, site.recipe)))
    return {
        count: judge(learnt(raw, split.learn, site.geometry), split, site)["mae_db"] for count, split in splits.items()
    }


class _Draws:
    """Values of every draw, by unknown share, map and number of places."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, where: tuple[str, str], by_count: dict[int, float]) -> None:
        for count, value in by_count.items():
            self._values.setdefault((*where, str(count)), []).append(value)

    def told(self, over: str | None = None) -> dict[str, Any]:
        """Mean and standard error of values, or of how much lower they are than those of the map `over`."""
        tree: dict[str, Any] = {}
        for (share, name, count), values in self._values.items():
            told = np.array(values) if over is None else np.array(self._values[share, over, count]) - np.array(values)
            error = float(told.std(ddof=1) / np.sqrt(len(told))) if len(told) > 1 else None
            put(tree, (share, name, count), {"mean": float(told.mean()), "se": error})
        return tree
