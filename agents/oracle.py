"""Policies that read reality. Privileged: they bound the score and are never trained or deployed."""

from __future__ import annotations

import torch

from agents.planning import AGES_SLOTS, Planner
from twin_envs.envs.cell import Cell, squared_cosine


class OraclePlanner(Planner):
    """The same planner with reality in the twin's place: the true channel at the UE's true future positions, against
    the CSI that the cell really has."""

    def similarity(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """See `Planner.similarity`."""
        slots = cell.known.now_slots[rows][:, None] + torch.tensor(AGES_SLOTS, device=cell.device)
        position, _ = cell.reality.position(rows, slots * cell.slot_s)  # [N, ages, U, 3]
        index = torch.arange(len(rows), device=cell.device)
        position = position[index, :, ue]
        h = cell.reality.channel(rows, position, cell.subband_hz)
        subbands = torch.arange(h.shape[2], device=cell.device)
        h_hat = cell.known.h_hat[rows[:, None], subbands, ue[:, None]]
        return squared_cosine(h_hat[:, None], h).mean(-1)
