"""How the twin expects CSI to age where reports are rare."""

from __future__ import annotations

import dataclasses
import math

import torch

from twin_envs.agents.csi_cell.appraisal import Outlook
from twin_envs.agents.csi_cell.planner import together
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.csi.precoding import regularised_zero_forcing
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.twin.protocol import SensedState


class AgeingTwin(TwinPlanner):
    """The twin's planner for reports that come seldom: no UE is taken to stand for good.

    Who stands sways, and what a sensor calls standing may creep: in a second that is a wavelength. So UEs go on
    with velocities spread by what sensing is not sure of. Where the twin has no channel, a UE's CSI ages as in
    isotropic scattering (Clarke, "A statistical theory of mobile-radio reception", 1968): after the way d a share
    J0(2 pi d / wavelength)^2 of the channel's power is as reported and the rest is new.
    """

    ages_slots = (0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)

    def velocities(self, sensed: SensedState, circle: torch.Tensor) -> torch.Tensor:
        """What is sensed, spread by what is not sure, across the directions in which the places lie, [N, K, 2]."""
        across = torch.stack([-circle[:, 1], circle[:, 0]], -1)
        return sensed.velocity_m_s[:, None] + across * sensed.velocity_std_m_s[:, None, None]

    def outlook(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> Outlook:
        """What the twin expects of UE `ue` [N]; in isotropic scattering where the twin has no channel."""
        expected = super().outlook(cell, rows, ue)
        uncovered = expected.weight.sum(1) == 0
        wanted = uncovered[:, None, None, None]
        signal, disturbance = self._scattered(cell, rows, ue)
        return dataclasses.replace(
            expected,
            signal=torch.where(wanted, signal[:, None], expected.signal),
            disturbance=torch.where(wanted, disturbance[:, None], expected.disturbance),
            weight=torch.where(uncovered[:, None], 1.0, expected.weight),
            own=torch.where(wanted, torch.tensor([1.0, 0.0, 0.0], device=cell.device), expected.own),
        )

    def _scattered(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Signal and disturbance of UE `ue` [N] at `ages_slots` in isotropic scattering, [N, A, F] each."""
        index, among = torch.arange(len(rows), device=cell.device), together(cell, rows, ue)
        h_hat = cell.state.h_hat[rows] * among[:, None, :, None]
        w = regularised_zero_forcing(h_hat, cell.noise + cell.state.expected_error[rows], 1.0)
        power = (h_hat @ w).abs().square()[index, :, ue]  # [N, F, beams]
        own = power[index, :, ue]
        strength = h_hat[index, :, ue].abs().square().mean((1, 2))
        age_s = torch.tensor(self.ages_slots, device=cell.device) * cell.slot_s
        sensed = cell.sensed(rows, ue)
        speed_m_s = (sensed.velocity_m_s.square().sum(-1) + sensed.velocity_std_m_s.square()).sqrt()
        way = 2 * math.pi / cell.recipe.wavelength_m * speed_m_s[:, None] * age_s
        kept = torch.cummin(torch.special.bessel_j0(way).square(), -1).values[..., None]
        fresh = (1 - kept) * (strength / among.sum(-1))[:, None, None]
        signal = kept * own[:, None] + fresh
        others = kept * (power.sum(-1) - own)[:, None] + fresh * (among.sum(-1) - 1)[:, None, None]
        return signal, others + cell.noise
