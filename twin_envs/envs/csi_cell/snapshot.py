"""What a picture shows of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.csi.nr.pilots import CsiRs
from twin_envs.envs.core.snapshot import Connection, Snapshot
from twin_envs.envs.csi_cell.view import CsiCellView

_FULL_RATE = 3.0
"""Bits per resource element of a UE whose link is drawn as strong as any."""


def cell_snapshot(network: CsiCellView, row: int, decision: str, deciding: int | None) -> Snapshot:
    """The serving AP's link to each UE, as strong as its rate; how old the UEs' CSI is, and how fast it ages."""
    state, sensing, slot_ms = network.state, network.sensing, 1e3 * network.slot_s
    now_slots, ap, decided = int(state.now_slots[row]), int(state.ap[row]), int(state.decided[row])
    ues = torch.arange(network.config.num_ue, device=network.device)
    knowledge = network.knowledge(torch.full_like(ues, row), ues)
    rate = _numbers(state.bits_per_re[row])
    coherence_ms = 1e3 * _numbers(knowledge["coherence_time_s"])
    notes = {
        "speed [m/s]": _numbers(sensing.velocity[row].norm(dim=-1)),
        "coherence [ms]": np.where(_numbers(knowledge.covered) > 0, coherence_ms, np.nan),
        "CSI age [ms]": slot_ms * _numbers(now_slots - state.report_slots[row]),
    }
    if deciding is not None:  # otherwise nobody is due
        notes["due in [ms]"] = slot_ms * _numbers((state.due_slots[row] - now_slots).clamp_min(0))
    return Snapshot(
        time_s=now_slots * network.slot_s,
        ue_m=_numbers(sensing.position[row]),
        ue_std_m=_numbers(sensing.position_std_m[row]),
        deciding=deciding,
        decided=None if decided < 0 else decided,
        decision=decision,
        serving=(ap,),
        links=tuple(Connection(ap=ap, ue=ue, strength=min(r / _FULL_RATE, 1.0)) for ue, r in enumerate(rate.tolist())),
        ue_rate=rate,
        rate=float(rate.sum()),
        overhead=float(state.overhead[row]),
        notes=notes,
    )


def describe_pilots(network: CsiCellView, row: int, ue: int) -> str:
    """The pilots of UE `ue` in environment `row`, in few words: CSI-RS, and DM-RS symbols in a slot."""
    state, mine = network.state, (row, ue)
    csi_rs = CsiRs(int(state.ports[mine]), int(state.spacing[mine]))
    return f"CSI-RS {csi_rs}, {1 + int(state.dmrs_additional[mine])} DM-RS"


def _numbers(values: torch.Tensor) -> np.ndarray[Any, Any]:
    return values.cpu().numpy().astype(np.float64)
