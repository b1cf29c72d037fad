"""What a picture shows of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.base.units import SYMBOLS_PER_SLOT
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS
from twin_envs.envs.core.snapshot import Link, View
from twin_envs.envs.csi_cell.core import Cell, Outcome

_FULL_RATE = 3.0
"""Bits per resource element of a UE whose link is drawn as strong as any."""


class LastDecision:
    """Remembers what the last decision in each of B cells was about, and what the window after it cost.

    Args:
        cell: the cells.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._ue = torch.zeros(cell.num_envs, dtype=torch.int64, device=cell.device)
        self._overhead = torch.zeros(cell.num_envs, device=cell.device)

    def remember(self, rows: torch.Tensor, ue: torch.Tensor, outcome: Outcome) -> None:
        """In environments `rows` [N] it was about UE `ue` [N]."""
        self._ue[rows] = ue
        symbols = SYMBOLS_PER_SLOT - CONTROL_SYMBOLS
        data_symbols = symbols - 1 - self._cell.known.dmrs_additional[rows]
        possible = (outcome.delivered_by_ue * symbols / data_symbols).sum(-1)
        self._overhead[rows] = torch.where(possible > 0, 1 - outcome.reward / possible.clamp_min(1e-9), 0.0)

    def ue(self, row: int) -> int | None:
        """Which UE it was about; None at an episode's start."""
        return int(self._ue[row]) if self._cell.known.now_slots[row] > 0 else None

    def overhead(self, row: int) -> float:
        """Share of the resources for data that the window spent on DM-RS and on the report at its end."""
        return float(self._overhead[row]) if self._cell.known.now_slots[row] > 0 else 0.0


def view_cell(cell: Cell, row: int, last: LastDecision, decision: str, deciding: int | None) -> View:
    """The serving AP's link to each UE, as strong as its rate; how old the UEs' CSI is, and how fast it ages."""
    known, slot_ms = cell.known, 1e3 * cell.slot_s
    now_slots, ap = int(known.now_slots[row]), int(known.ap[row])
    rate = _numbers(known.bits_per_re[row])
    seen = _numbers(known.knowledge.known[row]) > 0
    notes = {
        "speed [m/s]": _numbers(known.sensing.velocity[row].norm(dim=-1)),
        "coherence [ms]": np.where(seen, 1e3 * _numbers(known.knowledge["coherence_time_s"][row]), np.nan),
        "CSI age [ms]": slot_ms * _numbers(now_slots - known.report_slots[row]),
    }
    if deciding is not None:  # otherwise nobody is due
        notes["due in [ms]"] = slot_ms * _numbers((known.due_slots[row] - now_slots).clamp_min(0))
    return View(
        time_s=now_slots * cell.slot_s,
        ue_m=_numbers(known.sensing.position[row]),
        ue_std_m=_numbers(known.sensing.position_std_m[row]),
        deciding=deciding,
        decided=last.ue(row),
        decision=decision,
        serving=(ap,),
        links=tuple(Link(ap=ap, ue=ue, strength=min(r / _FULL_RATE, 1.0)) for ue, r in enumerate(rate.tolist())),
        ue_rate=rate,
        rate=float(rate.sum()),
        overhead=last.overhead(row),
        notes=notes,
    )


def say_pilots(cell: Cell, row: int, ue: int) -> str:
    """The pilots of UE `ue` in environment `row`, in few words: CSI-RS per port and block, DM-RS symbols in a slot."""
    spacing, dmrs = int(cell.known.spacing[row, ue]), 1 + int(cell.known.dmrs_additional[row, ue])
    return f"CSI-RS {'1' if spacing == 1 else f'1/{spacing}'}, {dmrs} DM-RS"


def _numbers(values: torch.Tensor) -> np.ndarray[Any, Any]:
    return values.cpu().numpy().astype(np.float64)
