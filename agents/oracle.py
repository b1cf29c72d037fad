"""Policies that read reality. Privileged: they bound the score and are never trained or deployed."""

from __future__ import annotations

import torch

from agents.appraisal import AGES_SLOTS, Outlook
from agents.planning import Planner
from twin_envs.envs.cell import Cell, squared_cosine


class OraclePlanner(Planner):
    """The same planner with reality in the twin's place: the true channel at the UE's true future positions, and the
    precoder that the cell really uses."""

    def outlook(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> Outlook:
        """See `Planner.outlook`."""
        known, reality, index = cell.known, cell.reality, torch.arange(len(rows), device=cell.device)
        slots = known.report_slots[rows, ue][:, None] + torch.tensor(AGES_SLOTS, device=cell.device)
        position, _ = reality.position(rows, slots * cell.slot_s)  # [N, ages, U, 3]
        position = position[index, :, ue]
        h = reality.channel(rows, position, cell.subband_hz)
        w, num_ue = cell.precoder(rows), cell.config.num_ue
        _, moving = reality.served(rows, slots[:, 0] * cell.slot_s, cell.subband_hz, w)
        power = torch.einsum("nafc,nfcu->nafu", h, w).abs().square()
        own = power[index, ..., ue]
        decoded = known.h_hat[rows, :, ue]
        heard = reality.channel(rows, position[:, :1], cell.block_hz, synchronised=True)[:, 0]
        return Outlook(
            signal=own[:, None],
            disturbance=(power.sum(-1) - own)[:, None] + cell.noise,
            weight=torch.ones(len(rows), 1, device=cell.device),
            stray=h[:, 0].abs().square().mean((1, 2)) * ((num_ue - 1) / num_ue),
            own=moving[index, ue][:, None],
            error=self.report_errors(cell, rows, ue, heard),
            noise=cell.noise,
            present=1 - squared_cosine(h[:, 0], decoded).mean(-1),
        )

    def uplink_gain(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The true one."""
        position, _ = cell.reality.position(rows, cell.known.now_slots[rows] * cell.slot_s)
        return cell.reality.gain(rows, position[torch.arange(len(rows), device=cell.device), ue])
