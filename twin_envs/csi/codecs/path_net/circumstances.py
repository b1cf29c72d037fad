"""What the network looks at before the next path of a report: few enough cases to be told apart by a number each.

A path is expected near those that the twin expects (`told`), near those that the report has named before (`named`), or
anywhere. How probable each of these is depends on how strong the next path is against it, on what has been named near
it, and on how well what has been named so far agrees with what was told.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

NONE = 7
"""Strength of a told path that there is not; others are 0 to 6 steps weaker than the strongest."""
STRENGTH_STEP_DB = 3
APART = 8
"""Kinds of how far places are apart: 0, 1, 2-3, 4-7, ... fine steps, and where there is none to be apart from."""
_NOWHERE, _NEAR = APART - 1, 3
SITUATIONS = 16
"""Before the first path; from the second, fourth, fifth, seventh and eleventh on, by how many agree with what is told."""
LEVELS = 10
TOLD = (SITUATIONS, NONE, 9, APART, 5)
"""Cases of a told path: situation, its strength, the next path against it, what was named near, and that against it."""
NAMED = (SITUATIONS, 8, 5, APART, APART)
"""Cases of a named path: situation, the next path against it, its level, what was told near it, what else was named."""
ANYWHERE = (SITUATIONS, LEVELS)
"""Cases of the rest: situation, level of the next path."""
_FAR = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Before each of some paths of N reports: a case (see `TOLD`, `NAMED`, `ANYWHERE`) for each path to be near of.

    Attributes:
        told, named, anywhere: cases, int64 [N, paths, M], [N, paths, K] and [N, paths].
        is_told, is_named: whether there is such a path, bool [N, 1, M] and [1, paths, K].
    """

    told: torch.Tensor
    named: torch.Tensor
    anywhere: torch.Tensor
    is_told: torch.Tensor
    is_named: torch.Tensor


def circumstances(
    told: torch.Tensor, place: torch.Tensor, below_db: torch.Tensor, sizes: tuple[int, int, int], first: int = 0
) -> Circumstances:
    """What there is to look at before each path of reports, from the path `first` on.

    Args:
        told: places and strengths, int64 [N, M, 4].
        place: of the paths, int64 [N, K, 3]; nobody looks at the last one.
        below_db: how much weaker than the strongest the paths are, int64 [N, K].
        sizes: how many delays, row steps and column steps there are.
        first: number of the first path that is asked about.
    """
    paths, device = place.shape[1], place.device
    path = torch.arange(first, paths, device=device)
    before = (path - 1).clamp_min(0)  # the last path that has been named
    strength, is_told = told[..., 3], told[..., 3] < NONE
    expected_db, next_db = STRENGTH_STEP_DB * strength, below_db[:, first:]

    far = _apart(told[:, :, None, :3], place[:, None], sizes)  # [N, M, K]
    far_of_told = torch.where(is_told[:, None], far.mT, _FAR).amin(2)  # [N, K], of named paths
    agrees = (_kind(far_of_told) <= _NEAR).long().cumsum(1)[:, before]
    number = torch.bucketize(path, torch.tensor([2, 3, 5, 9], device=device))
    share = (agrees > 0).long() + (2 * agrees >= path).long()
    situation = torch.where(path > 0, 1 + 3 * number + share, 0)  # [N, paths]

    nearest, which = far.cummin(2)
    nearest, which = (each[..., before].mT for each in (nearest, which))  # [N, paths, M]
    nearest_db = below_db[:, None].expand(-1, len(path), -1).gather(2, which)
    against_it = ((nearest_db - expected_db[:, None]) / 6).round().long().clamp(-2, 2) + 2
    named = path[:, None] > 0
    told_case = _number(
        TOLD,
        situation[..., None],
        strength.clamp_max(NONE - 1)[:, None],
        ((next_db[..., None] - expected_db[:, None]) // 3).clamp(-4, 4) + 4,
        torch.where(named, _kind(nearest), _NOWHERE),
        torch.where(named, against_it, 2),
    )

    others = _apart(place[:, :, None], place[:, None], sizes)
    others.diagonal(dim1=1, dim2=2).fill_(_FAR)
    others = others.cummin(2).values[..., before].mT  # [N, paths, K]
    named_case = _number(
        NAMED,
        situation[..., None],
        ((next_db[..., None] - below_db[:, None]) // 3).clamp(0, 7),
        (below_db // 6).clamp_max(4)[:, None],
        _kind(far_of_told)[:, None],
        _kind(others),
    )
    return Circumstances(
        told=told_case,
        named=named_case,
        anywhere=_number(ANYWHERE, situation, (next_db // 3).clamp(0, LEVELS - 1)),
        is_told=is_told[:, None],
        is_named=(torch.arange(paths, device=device) < path[:, None])[None],
    )


def _apart(a: torch.Tensor, b: torch.Tensor, sizes: tuple[int, int, int]) -> torch.Tensor:
    """How far places [..., 3] are apart, in fine steps of columns; a delay counts twice."""
    delay, row, column = (a - b).abs().unbind(-1)
    row, column = (torch.minimum(way, size - way) for way, size in ((row, sizes[1]), (column, sizes[2])))
    return 2 * delay + row + column


def _kind(apart: torch.Tensor) -> torch.Tensor:
    """Which of `APART` distances are, `_NOWHERE` where they are infinite."""
    edges = torch.tensor([1, 2, 4, 8, 16, 32, _FAR], device=apart.device)
    return torch.bucketize(apart.contiguous(), edges, right=True)


def _number(sizes: tuple[int, ...], *which: torch.Tensor) -> torch.Tensor:
    """One number for several, each below its size."""
    number = which[0]
    for size, each in zip(sizes[1:], which[1:], strict=True):
        number = number * size + each
    return number
