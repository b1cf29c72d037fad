"""Case study of coverage: the access points that a UE is given by what a twin says, against the truly best ones.

Privileged: compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.knowledge import SensedState
from twin_envs.twin.learning import learnt
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site

_POSITION_STD_M = 2.5
"""What sensing gives in the open: see `Gnss`."""
_NOTHING_DB = -300.0


def association(site: Site, places: tuple[int, ...], judged: int, picked: int, seed: int) -> dict[str, Any]:
    """The share of the truly best access points' sum of gains that a choice keeps.

    Args:
        site: the site.
        places: numbers of measured places.
        judged: UEs, anywhere on the site, sensed to 2.5 m.
        picked: access points that a UE is given.
        seed: of the places.

    Returns:
        `aps` and `picked`; `gain_kept`: the mean over UEs, by `distance`, and by twin and number of measured places.
    """
    generator, geometry = np.random.default_rng(seed), site.geometry
    gain = site.reality("reality").gain
    served = (gain > 0).any(0).nonzero()[:, 0]
    cell = served[torch.from_numpy(generator.integers(len(served), size=judged)).to(site.device)]
    wrong = torch.from_numpy(generator.standard_normal((judged, 2))).to(site.device, torch.float32)
    position_m = geometry.point_m[cell, :2] + _POSITION_STD_M * wrong
    true = gain[:, cell].mT
    away_m = (position_m[:, None] - geometry.ap_position_m[:, :2]).norm(dim=-1)
    kept: dict[str, Any] = {"distance": _kept(true, -away_m, picked)}
    for count in places:
        measured = measure(site, "reality", count, seed + 1)
        for name in channel_twins:
            twin = learnt(channel_twins.get(name)(site, "twin", site.device), measured, geometry)
            kept.setdefault(name, {})[str(count)] = _kept(true, _said_db(twin, position_m, true.shape[1]), picked)
    return {"aps": true.shape[1], "picked": picked, "ues": judged, "gain_kept": kept}


def _said_db(twin: ChannelTwin, position_m: torch.Tensor, aps: int) -> torch.Tensor:
    """The gains of all links, as the twin says, float32 [N, A]; the least where it knows of none."""
    position_m = position_m.repeat_interleave(aps, 0)
    nothing = torch.zeros(len(position_m), device=position_m.device)
    sensed = SensedState(
        position_m=position_m,
        velocity_m_s=torch.zeros_like(position_m),
        position_std_m=nothing + _POSITION_STD_M,
        velocity_std_m_s=nothing,
    )
    said = twin.predict(sensed, torch.arange(aps, device=position_m.device).repeat(len(position_m) // aps))
    return torch.where(said.covered > 0, said["gain_db"], _NOTHING_DB).view(-1, aps)


def _kept(true: torch.Tensor, worth: torch.Tensor, picked: int) -> float:
    """The mean over UEs of the share of the best sum of `true` gains [N, A] that the most of `worth` [N, A] have."""
    chosen = worth.topk(picked, -1).indices
    return float((true.gather(-1, chosen).sum(-1) / true.topk(picked, -1).values.sum(-1)).mean())
