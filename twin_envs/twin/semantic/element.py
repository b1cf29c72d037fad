"""The gain of an access point's antenna, an element or a stack of them, as its recipe has it."""

from __future__ import annotations

import math

import torch

from twin_envs.world.atlas.arrays import stack_amplitude
from twin_envs.world.recipe import AccessPoint, SiteRecipe

_BEAMWIDTH_RAD = math.radians(65)
_MOST_DB, _LARGEST_DB = 30.0, 8.0
_NULL_DB = -40.0
"""No null of a stack is deeper, as its elements are not quite alike."""


def element_gain_db(recipe: SiteRecipe, towards_m: torch.Tensor) -> torch.Tensor:
    """The gain of each access point's antenna towards places [N, 3], float32 [A, N].

    The element's is that of TR 38.901, table 7.3-1, if the recipe asks for it; other patterns are alike in all azimuths
    and taken to be so in all directions, 0 dB. That of a stack of elements comes to it.
    """
    return torch.stack([_gain_db(recipe, ap, towards_m) for ap in recipe.access_points])


def _gain_db(recipe: SiteRecipe, ap: AccessPoint, towards_m: torch.Tensor) -> torch.Tensor:
    away = towards_m - torch.tensor(ap.position_m, device=towards_m.device)
    x, y, z = (away / away.norm(dim=-1, keepdim=True).clamp_min(1e-6)).unbind(-1)
    turn, tilt = ap.yaw_rad, ap.downtilt_rad
    level, left = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    ahead, above = level * math.cos(tilt) - z * math.sin(tilt), level * math.sin(tilt) + z * math.cos(tilt)
    gain_db = torch.zeros_like(x)
    if recipe.array.pattern == "tr38901":
        azimuth, elevation = torch.atan2(left, ahead), above.clamp(-1, 1).asin()
        losses = (12 * (angle / _BEAMWIDTH_RAD).square() for angle in (azimuth, elevation))
        across, up = (loss.clamp_max(_MOST_DB) for loss in losses)
        gain_db = _LARGEST_DB - (across + up).clamp_max(_MOST_DB)
    if recipe.stack:
        amplitude = torch.from_numpy(stack_amplitude(recipe.stack, above.double().cpu().numpy()))
        gain_db = gain_db + (20 * amplitude.abs().log10()).clamp_min(_NULL_DB).to(gain_db)
    return gain_db
