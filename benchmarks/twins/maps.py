"""Case study of coverage, as a picture: what reality, a channel twin and the path-loss law say of one quarter.

Privileged: compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.envs.reality.twin_error import LEAST_SNR, measure
from twin_envs.twin.knowledge import SensedState
from twin_envs.twin.learning import learnt
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site

STEP_M = 8.0
"""Between places on the maps, as in the paper."""


def maps(site: Site, twins: tuple[str, ...], places: int, picked: int, seed: int) -> dict[str, Any]:
    """Gains by reality and by twins, and the access points that each would give to one UE.

    Args:
        site: the site.
        twins: names of channel twins; the UE is one with whom the last of them does as well as in the mean.
        places: at which they have learnt.
        picked: access points that the UE is given.
        seed: of the places.

    Returns:
        `places`; `x_m` and `y_m` of the grid; `ap_m`, x and y of each access point; `ue_m`; and by `reality` and twin:
        `gain_db`, of the strongest access point by row and column, None where none is heard or nobody can be; `chosen`,
        indices of the UE's access points; `kept`, the share of the best sum of gains that these have; and `mean_kept`,
        its mean over all places where as many access points are heard.
    """
    geometry, recipe = site.geometry, site.recipe
    x0, y0, x1, y1 = recipe.area_m
    x_m, y_m = (torch.arange(low + STEP_M / 2, high, STEP_M) for low, high in ((x0, x1), (y0, y1)))
    grid_m = torch.stack(torch.meshgrid(x_m, y_m, indexing="xy"), -1).flatten(0, 1).to(site.device)
    cell, aps = geometry.cell(grid_m), len(geometry.ap_position_m)
    least_db = 10 * math.log10(LEAST_SNR * noise_to_power(recipe))
    real = site.reality("reality").gain
    true_db = torch.where(cell[:, None] >= 0, 10 * real[:, cell.clamp_min(0)].mT.log10(), -torch.inf)
    measured = measure(site, "reality", places, seed)
    said_db = {"reality": true_db}
    for name in twins:
        twin = learnt(channel_twins.get(name)(site, "twin", site.device), measured, geometry)
        every = torch.arange(aps, device=site.device).repeat(len(grid_m))
        known = twin.predict(_standing(grid_m.repeat_interleave(aps, 0)), every)
        gain_db = torch.where(known.covered > 0, known["gain_db"], -torch.inf).view(-1, aps)
        said_db[name] = torch.where(cell[:, None] >= 0, gain_db, -torch.inf)
    heard = ((true_db > least_db).sum(-1) >= picked).nonzero()[:, 0]
    true = 10 ** (true_db[heard] / 10)
    best = true.topk(picked).values.sum(-1)
    chosen = {name: gain_db[heard].topk(picked).indices for name, gain_db in said_db.items()}
    kept = {name: true.gather(-1, choice).sum(-1) / best for name, choice in chosen.items()}
    usual = kept[twins[-1]]
    ue = int((usual - usual.mean()).abs().argmin())
    return {
        "places": places,
        "x_m": x_m.tolist(),
        "y_m": y_m.tolist(),
        "ap_m": geometry.ap_position_m[:, :2].tolist(),
        "ue_m": grid_m[heard[ue]].tolist(),
        "maps": {
            name: {
                "gain_db": _rounded(gain_db.amax(-1).view(len(y_m), len(x_m)), least_db),
                "chosen": chosen[name][ue].tolist(),
                "kept": float(kept[name][ue]),
                "mean_kept": float(kept[name].mean()),
            }
            for name, gain_db in said_db.items()
        },
    }


def _standing(position_m: torch.Tensor) -> SensedState:
    """UEs at `position_m` [N, 2], exactly known."""
    nothing = torch.zeros(len(position_m), device=position_m.device)
    return SensedState(
        position_m=position_m,
        velocity_m_s=torch.zeros_like(position_m),
        position_std_m=nothing,
        velocity_std_m_s=nothing,
    )


def _rounded(gain_db: torch.Tensor, least_db: float) -> list[list[float | None]]:
    """Rows of gains to a tenth of a decibel; None below the least that is heard."""
    return [[round(value, 1) if value > least_db else None for value in row] for row in gain_db.tolist()]
