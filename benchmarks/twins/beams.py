"""Which beams a channel twin would have swept: those of paths that are traced, and those that follow from knowledge.

Privileged: compares with reality (see `READS_REALITY`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from rich.console import Console

from twin_envs.benchmarks.twins.coverage import put
from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.envs.reality.twin_error import LEAST_SNR, Commissioning
from twin_envs.twin.knowledge import SensedState
from twin_envs.twin.registry import channel_twins
from twin_envs.twin.traced import TracedTwin
from twin_envs.world.store.site import Site

_POSITION_STD_M = 0.4
"""With corrections from the network: see `BeamConfig`."""
_SWEPT, _TIMES = 3, 40


def beams(
    site: Site, names: Sequence[str], places: Sequence[int], judged: int, seed: int, console: Console
) -> dict[str, Any]:
    """How good the beams are that each channel twin finds best.

    Args:
        site: the site.
        names: of channel twins.
        places: numbers of measured places; 0 for none.
        judged: links that are served by their best beam, anywhere on the site, with UEs sensed to 0.4 m.
        seed: of the links.
        console: told what is being done.

    Returns:
        `links`, and how many of them are `in_sight`; by twin and number of measured places: `best`, the share of links
        whose best beam it finds; `lost_db`, how much less the strongest of its three best beams gives than the best of
        all, in the mean over the links it knows of; `lost_in_sight_db` and `lost_hidden_db`, the same in and out of
        sight; `lost_common_db`, the same over the links that all know of, `common` of them, so that twins can be
        compared; `missed`, the share of links that it does not know of; and `latency_s`, processor time of an answer
        about one UE. Nobody has found out that arrays point elsewhere than the twin says.
    """
    geometry, codebook = site.geometry, Codebook(site.recipe.array, site.device)
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
    real = TracedTwin(site.reality("reality"), boresight_rad, site.recipe.array.columns)
    generator = torch.Generator().manual_seed(seed)
    served = codebook.beams * site.reality("reality").gain > LEAST_SNR * noise_to_power(site.recipe)
    links = served.nonzero()
    ap, cell = links[torch.randint(len(links), (judged,), generator=generator).to(site.device)].unbind(-1)
    position_m = geometry.point_m[cell]
    true, in_sight = real.beam_power(position_m, ap, codebook)
    wrong_m = _POSITION_STD_M * torch.randn(judged, 2, generator=generator).to(site.device)
    nothing = torch.zeros(judged, device=site.device)
    sensed = SensedState(
        position_m=position_m[:, :2] + wrong_m,
        velocity_m_s=torch.zeros_like(wrong_m),
        position_std_m=nothing + _POSITION_STD_M,
        velocity_std_m_s=nothing,
    )
    figures: dict[str, Any] = {"links": judged, "in_sight": float(in_sight.float().mean())}
    lost: dict[tuple[str, str], torch.Tensor] = {}
    by_all = torch.ones_like(in_sight)
    for name in names:
        for count in places:
            console.print(f"{site.recipe.name}: {name}, {count} places ...")
            how = Commissioning(make=channel_twins.get(name), measured="reality", places=count, beams=codebook.beams)
            made = BeamMap(how(site, "twin", site.device), geometry, codebook)
            asked = made.ask(sensed, ap)
            known = asked.covered > 0
            if not known.any():
                continue
            lost[name, str(count)] = lost_db = _lost_db(true, asked.mean_power)
            by_all &= known
            best = true.argmax(-1) == asked.mean_power.argmax(-1)
            found = {
                "best": best[known],
                "lost_db": lost_db[known],
                "lost_in_sight_db": lost_db[known & in_sight],
                "lost_hidden_db": lost_db[known & ~in_sight],
                "missed": ~known,
            }
            for figure, values in found.items():
                put(figures, (figure, name, str(count)), float(values.float().mean()))
            put(figures, ("latency_s", name, str(count)), _latency_s(made, sensed, ap))
    for key, lost_db in lost.items():
        put(figures, ("lost_common_db", *key), float(lost_db[by_all].mean()))
    return figures | {"common": int(by_all.sum())}


def _lost_db(true: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """How much less the best of those beams gives that are said to be strongest than the best of all [N]."""
    swept = said.topk(_SWEPT, -1).indices
    return 10 * (true.amax(-1) / true.gather(-1, swept).amax(-1).clamp_min(1e-30)).log10()


def _latency_s(made: BeamMap, sensed: SensedState, ap: torch.Tensor) -> float:
    """Processor time of an answer about one UE, the mean over some of them."""
    some = [torch.tensor([number], device=ap.device) for number in range(_TIMES)]
    made.ask(sensed.of(some[0]), ap[some[0]])
    begun_s = time.process_time()
    for one in some:
        made.ask(sensed.of(one), ap[one])
    return (time.process_time() - begun_s) / _TIMES
