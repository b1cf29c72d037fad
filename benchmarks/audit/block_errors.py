"""Are block errors those of the link simulator they come from? The NR link against sionna.sys, at random points."""

from __future__ import annotations

from typing import Any

import torch

from twin_envs.base.generators import generators_kept
from twin_envs.csi.link import NrLink

POINTS, QUICK_POINTS = 8000, 1000
_SUBBANDS, _REPEATS = 12, 50
"""Subbands of a transport block, and its resource elements in each."""
_LEAST_MCS = {1: 3, 2: 2}
"""The lowest MCS of each table of which sionna has a curve."""
_PDSCH = 1
_SAME = 1e-5


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of the link.

    Args:
        quick: fewer points.
        seed: of the points.

    Returns:
        By MCS table, over random MCSs and SINRs that differ from subband to subband: the share of points at which the
        block error rate is sionna's, and the mean difference. SINRs on the border of two points of the tables may be
        put on either side.
    """
    with generators_kept():
        from sionna.sys import PHYAbstraction

        abstraction = PHYAbstraction(device="cpu")
    count, generator = QUICK_POINTS if quick else POINTS, torch.Generator().manual_seed(seed)
    return {f"table {table}": _of_table(abstraction, table, count, generator) for table in _LEAST_MCS}


def _of_table(abstraction: Any, table: int, count: int, generator: torch.Generator) -> dict[str, float]:
    link = NrLink(mcs_table=table, resource_elements=_SUBBANDS * _REPEATS)
    mcs = torch.randint(_LEAST_MCS[table], len(link.bits_per_re), (count,), generator=generator)
    level_db = torch.rand(count, 1, generator=generator) * 40 - 10
    sinr = 10 ** ((level_db + 3 * torch.randn(count, _SUBBANDS, generator=generator)) / 10)
    found = link.deliver(mcs, sinr, torch.zeros(count, 1)).bler
    as_sionna = sinr.T[None, :, :, None].expand(_REPEATS, -1, -1, 1)  # [symbols, subcarriers, users, streams]
    with generators_kept():
        expected = abstraction(mcs, sinr=as_sionna, mcs_table_index=table, mcs_category=_PDSCH)[3].clamp(max=1.0)
    difference = (found - expected).abs()
    return {
        "same": float((difference < _SAME).float().mean()),
        "mean_difference": float(difference.mean()),
        "points": count,
    }
