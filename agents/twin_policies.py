"""Policies that know the twin."""

from __future__ import annotations

import torch

from agents.planning import AGES_SLOTS, Planner
from twin_envs.envs.cell import Cell, squared_cosine

_PLACES = 5


class TwinPlanner(Planner):
    """Plans in the twin: moves the UE on from where sensing sees it, and watches the twin's channel change.

    The average is over places drawn from the position's uncertainty, since the twin's channel a metre away changes
    at another pace.
    """

    def similarity(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """See `Planner.similarity`."""
        sensed = cell.known.sensed(rows, ue)
        angle = torch.arange(_PLACES, device=cell.device) * (2 * torch.pi / _PLACES)
        ring = torch.stack([angle.cos(), angle.sin()], -1) * sensed.position_std_m[:, None, None]
        age_s = torch.tensor(AGES_SLOTS, device=cell.device) * cell.slot_s
        moved = sensed.velocity_m_s[:, None] * age_s[:, None]
        place = sensed.position_m[:, None, None] + ring[:, :, None] + moved[:, None]  # [N, places, ages, 2]
        position = torch.nn.functional.pad(place, (0, 1), value=cell.site.recipe.ue_height_m)
        atlas = cell.twin.atlas
        ap = cell.known.ap[rows][:, None, None].expand(position.shape[:3]).flatten()
        h = atlas.channel(atlas.paths(position.flatten(0, 2), ap), cell.subband_hz).unflatten(0, position.shape[:3])
        alike = squared_cosine(h[:, :, :1], h).mean(-1)  # [N, places, ages]
        covered = (h[:, :, :1].abs().square().sum((-1, -2)) > 0).float()
        mean = (alike * covered).sum(1) / covered.sum(1).clamp_min(1)
        return torch.where(covered.sum(1) > 0, mean, 1.0 / (1.0 + age_s / age_s[-1]))
