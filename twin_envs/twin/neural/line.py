"""What stands in the straight line from an access point to a place."""

from __future__ import annotations

import math

import torch

from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.twin.measurements import free_space_db
from twin_envs.twin.neural.town import TownMap
from twin_envs.twin.quadrature import wrapped

_SAMPLES, _BINS = 96, 8
"""The line is looked at in so many places; what stands highest in it is told for so many parts of it."""
_CHUNK = 4096


def straight_lines(town: TownMap, ap: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the straight lines from an access point to all grid points.

    Returns:
        what is told to a network, float32 [C, 21]: distance, gain of the antenna element, directions off the boresight,
        loss behind the highest edge, how much of the line is built on and where, and how high;
        the gain in free space with that of the element [C] in dB; whether something stands in the line, bool [C].
    """
    parts = [_lines(town, ap, point) for point in town.geometry.point_m.split(_CHUNK)]
    told, clear_db, blocked = (torch.cat(part) for part in zip(*parts, strict=True))
    return told, clear_db, blocked


def _lines(town: TownMap, ap: int, point_m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same of the lines to points [N, 3]."""
    geometry = town.geometry
    start_m = geometry.ap_position_m[ap]
    away = point_m - start_m
    away_m = away.norm(dim=-1).clamp_min(1.0)
    flat_m = away[:, :2].norm(dim=-1)
    azimuth = wrapped(torch.atan2(away[:, 1], away[:, 0]) - town.yaw_rad[ap])
    below = torch.atan2(-away[:, 2], flat_m)
    share = (torch.arange(_SAMPLES, device=point_m.device) + 0.5) / _SAMPLES
    line = start_m + away[:, None] * share[:, None]
    ground = geometry.ground.place(line[..., :2])[..., 2] - geometry.ground.ue_height_m
    over_m = ground + town.height_at(line[..., :2]) - line[..., 2]
    wavelength_m = SPEED_OF_LIGHT / geometry.carrier_hz
    edge = over_m * (2 / (wavelength_m * away_m[:, None] * share * (1 - share))).sqrt()
    loss_db = knife_edge_db(edge.amax(-1))
    inside = over_m > 0
    blocked = inside.any(-1)
    first, last = (
        torch.where(blocked, where, 1.0)
        for where in (share[inside.float().argmax(-1)], 1 - share[_SAMPLES - 1 - inside.flip(-1).float().argmax(-1)])
    )
    runs = (inside[:, 1:] & ~inside[:, :-1]).sum(-1).float()
    highest = over_m.view(-1, _BINS, _SAMPLES // _BINS).amax(-1)
    element = element_db(azimuth, below - town.downtilt_rad[ap])
    told = torch.stack(
        [
            away_m.log10(),
            flat_m / 100,
            element / 10,
            azimuth.cos(),
            azimuth.sin().abs(),
            azimuth.sin(),
            below,
            loss_db / 20,
            blocked.float(),
            inside.float().mean(-1) * flat_m / 30,
            (1 + first * flat_m).log10(),
            (1 + last * flat_m).log10(),
            runs / 2,
            *(highest / 10).tanh().unbind(-1),
        ],
        -1,
    )
    return told, free_space_db(geometry.carrier_hz, away_m) + element, blocked


def knife_edge_db(edge: torch.Tensor) -> torch.Tensor:
    """Loss behind a knife edge with the parameter `edge` (ITU-R P.526, 4.1), of the same shape; 0 where it is clear."""
    shifted = edge - 0.1
    loss = 6.9 + 20 * (torch.sqrt(shifted.square() + 1) + shifted).clamp_min(1e-9).log10()
    return torch.where(edge > -0.78, loss, 0.0)


def element_db(azimuth: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """Gain of an antenna element in a direction off its boresight (TR 38.901, table 7.3-1)."""
    width = math.radians(65)
    across, along = (12 * (angle / width).square().clamp_max(30 / 12) for angle in (azimuth, below))
    return 8 - (across + along).clamp_max(30)
