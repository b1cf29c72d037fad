"""What link adaptation has measured of a UE, against what a planner expects of it.

Link adaptation knows what SINR the reports promise, at any age of the CSI, and its outer loop has learnt, by age, how
much less it can count on. Both are the network's own. So a planner need not believe its own picture of the level and
of the ageing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.agents.csi_cell.appraisal import Outlook, expected_sinr
from twin_envs.base.errors import check_number
from twin_envs.base.units import linear_to_db
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, FIRST_OFFSETS_DB, CsiCellView

_LEAST = 1e-9


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How far a planner believes what was measured, 0 to 1 each.

    Args:
        level: of the SINR with fresh CSI.
        ageing: that it falls less with age than was foreseen, where the outer loop has learnt anything about CSI of
            that age. That it falls further is always believed.
    """

    level: float = 0.0
    ageing: float = 0.0

    def __post_init__(self) -> None:
        check_number("level", self.level, 0.0, 1.0)
        check_number("ageing", self.ageing, 0.0, 1.0)


def correction(
    cell: CsiCellView,
    rows: torch.Tensor,
    ue: torch.Tensor,
    outlook: Outlook,
    ages_slots: tuple[int, ...],
    trust: Trust,
) -> torch.Tensor:
    """Factor by which to correct the SINR of `outlook`, about UE `ue` [N], at each of its ages, float32 [N, A].

    Link adaptation grants what the reports promise at the CSI's age, less its offset for that age. So whatever becomes
    of the channel, the SINR that a UE is served by falls with age as far as these two say; it falls further where the
    planner foresees so, unless trust in what was measured says otherwise.
    """
    state, device = cell.state, cell.device
    lengths = torch.tensor(cell.acquisition.codec.codeword_lengths, device=device)
    used = torch.stack([state.ports[rows, ue], state.spacing[rows, ue]], -1)
    csi_rs = (used[:, None] == torch.tensor(cell.actions.csi_rs, device=device)).all(-1).int().argmax(-1)
    codeword = torch.searchsorted(lengths, state.codeword_bits[rows, ue])
    error = outlook.error[torch.arange(len(rows), device=device), csi_rs, codeword]  # of the report just made
    by_place_db = linear_to_db(expected_sinr(outlook, error).clamp_min(_LEAST)).mean(-1)  # [N, K, A]
    total = outlook.weight.sum(1)
    planned_db = (by_place_db * outlook.weight[..., None]).sum(1) / total.clamp_min(_LEAST)[:, None]

    offset_db = state.offset_db[rows, ue]  # [N, ranges of age]
    ages, edges = (torch.tensor(slots, device=device) for slots in (ages_slots, AGE_EDGES_SLOTS))
    band = torch.bucketize(ages, edges, right=True)
    promised_db = linear_to_db(state.expected_sinr[rows, ue].clamp_min(_LEAST))
    now = (state.now_slots[rows] - state.report_slots[rows, ue])[:, None]
    disturbed_db = linear_to_db(
        cell.noise + cell.expected_errors(rows, ue, torch.cat([now, ages.expand(len(rows), -1)], 1))
    )
    promised_fall_db = disturbed_db - disturbed_db[:, 1:2]  # of who is in nobody's way, since the CSI was fresh
    fresh_db = promised_db.mean(-1) + promised_fall_db[:, 0]
    level_db = fresh_db - offset_db[:, 0] - planned_db[:, 0]
    further_db = promised_fall_db[:, 1:] + (offset_db - offset_db[:, :1])[:, band] - (planned_db[:, :1] - planned_db)
    learnt = offset_db != torch.tensor(FIRST_OFFSETS_DB, device=device)
    met = (learnt & learnt[:, :1])[:, band]
    share = torch.where(further_db > 0, 1.0, trust.ageing * met)
    shift_db = trust.level * level_db[:, None] - share * further_db
    told = (total > 0) & state.scheduled[rows, ue]  # of a UE that is not scheduled, no SINR was promised
    return torch.where(told[:, None], 10 ** (shift_db / 10), 1.0)
