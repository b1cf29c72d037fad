"""The gain of an access point's antenna, an element or a stack of them, as its recipe has it."""

from __future__ import annotations

import math

import numpy as np
import torch

from twin_envs.world.atlas.arrays import stack_amplitude, stack_axis
from twin_envs.world.recipe import SiteRecipe

_BEAMWIDTH_RAD = math.radians(65)
_MOST_DB, _LARGEST_DB = 30.0, 8.0
_NULL_DB = -40.0
"""No null of a stack is deeper, as its elements are not quite alike."""
_HIGHEST = 1 - 1e-6
"""Straight up the elevation has no gradient."""


def element_gain_db(recipe: SiteRecipe, towards_m: torch.Tensor) -> torch.Tensor:
    """The gain of each access point's antenna towards places [N, 3], float32 [A, N].

    The element's is that of TR 38.901, table 7.3-1, if the recipe asks for it; other patterns are alike in all azimuths
    and taken to be so in all directions, 0 dB. That of a stack of elements comes to it.
    """
    aps = recipe.access_points
    place_m, yaw_rad, downtilt_rad = (
        torch.tensor([getattr(ap, name) for ap in aps], device=towards_m.device)[:, None]
        for name in ("position_m", "yaw_rad", "downtilt_rad")
    )
    away = towards_m - place_m
    gain_db = torch.zeros(away.shape[:2], device=towards_m.device)
    if recipe.array.pattern == "tr38901":
        gain_db = tr38901_db(away, yaw_rad, downtilt_rad)
    if recipe.stack:
        up = np.stack([stack_axis(ap) for ap in aps])[:, None]
        towards = away / away.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        amplitude = torch.from_numpy(stack_amplitude(recipe.stack, (towards.double().cpu().numpy() * up).sum(-1)))
        gain_db = gain_db + (20 * amplitude.abs().log10()).clamp_min(_NULL_DB).to(gain_db)
    return gain_db


def tr38901_db(away: torch.Tensor, yaw_rad: torch.Tensor, downtilt_rad: torch.Tensor) -> torch.Tensor:
    """The gain of the element of TR 38.901, table 7.3-1, in directions `away` [..., 3] of any length, float32 [...].

    Args:
        away: from the antenna.
        yaw_rad, downtilt_rad: where the element looks, [...] or what broadcasts to it.
    """
    x, y, z = (away / away.norm(dim=-1, keepdim=True).clamp_min(1e-6)).unbind(-1)
    level, left = x * yaw_rad.cos() + y * yaw_rad.sin(), y * yaw_rad.cos() - x * yaw_rad.sin()
    ahead = level * downtilt_rad.cos() - z * downtilt_rad.sin()
    above = level * downtilt_rad.sin() + z * downtilt_rad.cos()
    azimuth, elevation = torch.atan2(left, ahead), above.clamp(-_HIGHEST, _HIGHEST).asin()
    losses = (12 * (angle / _BEAMWIDTH_RAD).square() for angle in (azimuth, elevation))
    across, up = (loss.clamp_max(_MOST_DB) for loss in losses)
    return _LARGEST_DB - (across + up).clamp_max(_MOST_DB)
