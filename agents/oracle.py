"""Policies that read reality. Privileged: they bound the score and are never trained or deployed."""

from __future__ import annotations

import torch

from agents.planning import AGES_SLOTS, Planner, goodput_by_period
from twin_envs.envs.cell import Cell


class OraclePlanner(Planner):
    """The same planner with reality in the twin's place: the true channel at the UE's true future positions, and the
    precoder that the cell really uses."""

    def goodput(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """See `Planner.goodput`."""
        slots = cell.known.now_slots[rows][:, None] + torch.tensor(AGES_SLOTS, device=cell.device)
        position, _ = cell.reality.position(rows, slots * cell.slot_s)  # [N, ages, U, 3]
        h = cell.reality.channel(rows, position[torch.arange(len(rows), device=cell.device), :, ue], cell.subband_hz)
        noise = torch.full((len(rows),), cell.noise, device=cell.device)
        return goodput_by_period(cell.link, h, cell.precoder(rows), noise, ue)
