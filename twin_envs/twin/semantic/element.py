"""The gain of an access point's antenna element, as its recipe has it."""

from __future__ import annotations

import math

import torch

from twin_envs.world.recipe import AccessPoint, SiteRecipe

_BEAMWIDTH_RAD = math.radians(65)
_MOST_DB, _LARGEST_DB = 30.0, 8.0


def element_gain_db(recipe: SiteRecipe, towards_m: torch.Tensor) -> torch.Tensor:
    """The gain of each access point's element towards places [N, 3], float32 [A, N].

    That of TR 38.901, table 7.3-1, if the recipe asks for it; other patterns are alike in all azimuths and taken to
    be so in all directions, 0 dB.
    """
    if recipe.array.pattern != "tr38901":
        return torch.zeros(len(recipe.access_points), len(towards_m), device=towards_m.device)
    return torch.stack([_tr38901_db(towards_m, ap) for ap in recipe.access_points])


def _tr38901_db(towards_m: torch.Tensor, ap: AccessPoint) -> torch.Tensor:
    away = towards_m - torch.tensor(ap.position_m, device=towards_m.device)
    x, y, z = (away / away.norm(dim=-1, keepdim=True).clamp_min(1e-6)).unbind(-1)
    turn, tilt = ap.yaw_rad, ap.downtilt_rad
    level, left = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    ahead, above = level * math.cos(tilt) - z * math.sin(tilt), level * math.sin(tilt) + z * math.cos(tilt)
    azimuth, elevation = torch.atan2(left, ahead), above.clamp(-1, 1).asin()
    losses = (12 * (angle / _BEAMWIDTH_RAD).square() for angle in (azimuth, elevation))
    across, up = (loss.clamp_max(_MOST_DB) for loss in losses)
    return _LARGEST_DB - (across + up).clamp_max(_MOST_DB)
