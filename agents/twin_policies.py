"""Policies that know the twin."""

from __future__ import annotations

import torch

from agents.planning import AGES_SLOTS, Planner, goodput_by_period
from twin_envs.csi.precoding import regularised_zero_forcing
from twin_envs.envs.cell import Cell

_PLACES = 5
_STILL = 3.0
"""A speed of less than so many standard deviations is likely to be noise, and is discounted."""


class TwinPlanner(Planner):
    """Plans in the twin: puts the cell's UEs where sensing sees them, precodes for their channels there, and watches
    what becomes of a UE's rate in the twin when it moves on and the precoder stays.

    The average is over places drawn from the UE's position uncertainty, since a metre away the twin's channel changes
    at another pace. Channels are scaled to the strength that each UE has reported.
    """

    def goodput(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """See `Planner.goodput`."""
        known, index = cell.known, torch.arange(len(rows), device=cell.device)
        reported = known.h_hat[rows].abs().square().mean((1, 3))  # [N, U]
        sensed = known.sensing.position[rows]
        others = self._channel(cell, rows, sensed[:, :, None])[:, :, 0]  # [N, U, F, A]
        strength = others.abs().square().mean((2, 3))
        others = others * (reported / strength.clamp_min(1e-30)).sqrt()[..., None, None]

        mine = known.sensed(rows, ue)
        angle = torch.arange(_PLACES, device=cell.device) * (2 * torch.pi / _PLACES)
        ring = torch.stack([angle.cos(), angle.sin()], -1) * mine.position_std_m[:, None, None]
        age_s = torch.tensor(AGES_SLOTS, device=cell.device) * cell.slot_s
        noise_share = (_STILL * mine.velocity_std_m_s / mine.velocity_m_s.norm(dim=-1).clamp_min(1e-6)).square()
        velocity = mine.velocity_m_s * (1 - noise_share).clamp_min(0)[:, None]
        moved = velocity[:, None] * age_s[:, None]
        place = mine.position_m[:, None, None] + ring[:, :, None] + moved[:, None]  # [N, places, ages, 2]
        h = self._channel(cell, rows, place)  # [N, places, ages, F, A]
        strength = h[:, :, 0].abs().square().mean((2, 3))
        h = h * (reported[index, ue][:, None] / strength.clamp_min(1e-30)).sqrt()[..., None, None, None]
        noise = cell.noise + cell.expected_error(rows)
        total, weight = 0.0, strength > 0
        for spot in range(_PLACES):
            channels = others.index_put((index, ue), h[:, spot, 0])
            w = regularised_zero_forcing(channels.transpose(1, 2), noise, 1.0)
            total = total + goodput_by_period(cell.link, h[:, spot], w, noise[index, ue], ue) * weight[:, spot, None]
        return total / weight.sum(1).clamp_min(1)[:, None]

    @staticmethod
    def _channel(cell: Cell, rows: torch.Tensor, place_m: torch.Tensor) -> torch.Tensor:
        """The twin's channels at `place_m` [N, K, L, 2], complex64 [N, K, L, F, A]."""
        position = torch.nn.functional.pad(place_m, (0, 1), value=cell.site.recipe.ue_height_m)
        ap = cell.known.ap[rows][:, None, None].expand(position.shape[:3]).flatten()
        atlas = cell.twin.atlas
        return atlas.channel(atlas.paths(position.flatten(0, 2), ap), cell.subband_hz).unflatten(0, position.shape[:3])
