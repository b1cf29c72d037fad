"""Is what a twin says of a UE honest? It is held against what is true, along routes, where nothing was measured.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from twin_envs.envs.core.configuration import COMMISSIONING_PLACES
from twin_envs.envs.reality.twin_error import commissioned, measure, true_knowledge
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge, SensedState
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site, load_site

SITES, QUICK_SITES = ("munich", "munich-cellfree"), ("munich",)
LINKS, QUICK_LINKS = 4000, 1000
_POSITION_STD_M, _VELOCITY_STD_M_S = 2.5, 0.1
"""What sensing gives in the open: see `Gnss`."""
_WALK_M_S = 1.34
_ROUNDING = 1e-5
"""Values of which neither uncertainty nor error is worth the name."""


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of knowledge.

    Args:
        quick: fewer sites and links.
        seed: of the links, and of what sensing makes of them.

    Returns:
        By site: `measurements` and `resource_elements` that learning the twin's error takes; `raw` and `learnt`, the
        twin without and with it. Each has by field the share of links on which the truth lies `within_1_std` and
        `within_2_std` of what the twin says (0.68 and 0.95 of a normal distribution), and the median error. The links
        are those to the strongest AP. `coherence_rank_correlation`: Spearman's, of the coherence times that the twin
        says and those that are true; `gaussian_rank_correlation`: of its Doppler spread's, if all spectra were
        Gaussian; `never_half`: share of links that truly keep half of their correlation for 10 s.
    """
    sites = QUICK_SITES if quick else SITES
    return {name: _of_site(load_site(name), QUICK_LINKS if quick else LINKS, seed) for name in sites}


def _of_site(site: Site, links: int, seed: int) -> dict[str, Any]:
    sensed, ap, truth = walk(site, links, seed)
    raw = channel_twins.get("traced")(site, "twin", site.device)
    said = {
        "raw": raw.predict(sensed, ap),
        "learnt": commissioned(raw, site, "reality", COMMISSIONING_PLACES).predict(sensed, ap),
    }
    known = said["raw"].covered > 0
    coherence_s = truth[known, list(KNOWLEDGE_FIELDS).index("coherence_time_s")]
    measured = measure(site, "reality", COMMISSIONING_PLACES, 0)
    return {
        "measurements": len(measured.ap),
        "resource_elements": measured.resource_elements,
        "links": int(known.sum()),
        **{name: coverage(knowledge, truth) for name, knowledge in said.items()},
        "coherence_rank_correlation": _rank(said["raw"]["coherence_time_s"][known], coherence_s),
        "gaussian_rank_correlation": _rank(-said["raw"]["doppler_spread_hz"][known], coherence_s),
        "never_half": float((coherence_s >= 10.0).float().mean()),
    }


def walk(site: Site, links: int, seed: int) -> tuple[SensedState, torch.Tensor, torch.Tensor]:
    """UEs that walk somewhere along routes, each with the AP that is strongest there.

    Returns:
        What sensing says of them; their APs, int64 [links]; and what is true, float32 [links, fields].
    """
    generator, routes, atlas = np.random.default_rng(seed), site.routes, site.reality("reality")

    def to_tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(site.device, torch.float32)

    route = torch.from_numpy(generator.integers(len(routes.length_m), size=links)).to(site.device)
    arc_m = torch.from_numpy(generator.random(links)).to(site.device) * routes.length_m[route]
    position, tangent = routes.curve(route, arc_m)
    velocity = _WALK_M_S * tangent / tangent.norm(dim=-1, keepdim=True)
    cell = site.geometry.cell(position)
    ap = atlas.gain[:, cell].argmax(0)
    place = site.geometry.ground.place(position)
    truth = true_knowledge(atlas, site.recipe, place, velocity, ap)
    wrong, wrong_velocity = (to_tensor(generator.standard_normal((links, 2))) for _ in range(2))
    sensed = SensedState(
        position_m=position + _POSITION_STD_M * wrong,
        velocity_m_s=velocity + _VELOCITY_STD_M_S * wrong_velocity,
        position_std_m=torch.full((links,), _POSITION_STD_M, device=site.device),
        velocity_std_m_s=torch.full((links,), _VELOCITY_STD_M_S, device=site.device),
    )
    return sensed, ap, truth


def coverage(said: Knowledge, truth: torch.Tensor) -> dict[str, dict[str, float]]:
    """By field, how much of the `truth` [N, fields] lies within 1 and 2 standard deviations of what was `said`."""
    known = said.covered > 0
    error, out = (truth - said.values)[known], {}
    for index, field in enumerate(KNOWLEDGE_FIELDS):
        off = error[:, index]
        if "azimuth" in field:
            off = torch.remainder(off + math.pi, 2 * math.pi) - math.pi
        allowed = said.std[known, index]
        least = _ROUNDING * said.values[known, index].abs()
        out[field] = {
            f"within_{count}_std": float((off.abs() <= count * allowed + least).float().mean()) for count in (1, 2)
        }
        out[field] |= {"median_error": float(off.abs().median()), "median_std": float(allowed.median())}
    return out


def _rank(said: torch.Tensor, true: torch.Tensor) -> float:
    return float(spearmanr(said.cpu().numpy(), true.cpu().numpy()).statistic)
