"""Would more paths in reality change what is concluded? Its links are traced again, and more of their paths are kept.

Reality keeps so many paths of a link, and gives them the power of the others. That makes channels sparser than they
are, which may flatter whatever codes few paths.

Privileged: reads and traces reality (see `READS_REALITY`). Needs the ray tracer.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.audit.traces import Array, Links, channels, traced
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.protocol import SideInformation, complete
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.csi.split import held_out_links
from twin_envs.csi.training.training import sgcs
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.twin.knowledge import coherence_time_s
from twin_envs.world.atlas.traced_paths import TracedPaths
from twin_envs.world.building.clutter import Clutter
from twin_envs.world.building.survey import surveyed_clutter
from twin_envs.world.store.site import Site, load_site

SITE, WORLD = "munich", "reality"
CODECS = ("csinet", "etype2", "path")
FURTHER = (64, 200)
"""Paths kept of each link, beside as many as the site keeps and twice as many."""
RANGE_DB = 60.0
"""Where more are kept, paths so far below the strongest are, too; the site's own range would leave few of them."""
GROUPS, QUICK_GROUPS = 12, 3
"""Of each AP."""
TOGETHER = 4
"""UEs that an AP serves at once."""
_SERVING_RATIO = 0.5
_WALK_M_S, _AGE_S = 1.34, 0.01
POLARISATIONS = (("V", "V"), ("H", "H"), ("V", "H"), ("H", "V"))


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of richness.

    Links are served ones (3 dB or less below the strongest) that codecs are not trained on, in groups that an AP serves
    at once; UEs walk in random directions. CSI is what codecs make of noiseless channels, nothing has aged, and other
    APs are silent.

    Args:
        quick: few links.
        seed: of the places.

    Returns:
        `links` and `groups`, the number of each. `by_paths`, by number of paths kept: how many there are in the mean
        (`paths`), the median `coherence_time_s`, and means of `sgcs` and of the `rate` [bit/s/Hz] of a group by codec
        and bits of its report, the rate with perfect CSI among them, and of the squared `autocorrelation` after 10 ms.
        `more_paths`, by the further numbers: differences of these means to those of the site, with intervals.
        `conclusions`, for SGCS and rate: see `conclusions`. `polarisation`: see `of_polarisation`.
    """
    site, groups = load_site(SITE), QUICK_GROUPS if quick else GROUPS
    links, clutter = served(site, groups * TOGETHER, seed), surveyed_clutter(site.recipe)
    world = site.recipe.worlds[WORLD]
    kept, further = world.max_paths, (2 * world.max_paths, *FURTHER)
    worlds = {count: dataclasses.replace(world, max_paths=count, dynamic_range_db=RANGE_DB) for count in further}
    traces = {count: traced(site, how, clutter, links) for count, how in {kept: world, **worlds}.items()}
    scores = {count: scored(site, links, paths, seed) for count, paths in traces.items()}
    own = scores[kept]
    return {
        "links": len(links.ap),
        "groups": len(links.ap) // TOGETHER,
        "by_paths": {
            str(count): {
                "paths": float((traces[count].gain != 0).sum(1).mean()),
                "coherence_time_s": _coherence_time_s(site, traces[count], seed),
                **{what: {name: float(values.mean()) for name, values in by.items()} for what, by in of.items()},
            }
            for count, of in scores.items()
        },
        "more_paths": {
            str(count): {
                what: {name: paired_difference(scores[count][what][name], by[name], _generator(seed)) for name in by}
                for what, by in own.items()
            }
            for count in further
        },
        "conclusions": {
            what: conclusions({count: of[what] for count, of in scores.items()}, kept, seed)
            for what in ("sgcs", "rate")
        },
        "polarisation": of_polarisation(site, links, clutter),
    }


def served(site: Site, each: int, seed: int) -> Links:
    """`each` links of every AP that serves so many grid points which codecs are not trained on, AP after AP."""
    generator, atlas = np.random.default_rng(seed), site.reality(WORLD)
    serves = (atlas.gain > 0) & (atlas.gain >= _SERVING_RATIO * atlas.gain.amax(0)) & held_out_links(atlas)
    cells = {ap: np.flatnonzero(of) for ap, of in enumerate(serves.cpu().numpy()) if of.sum() >= each}
    cell = np.concatenate([generator.choice(some, each, replace=False) for some in cells.values()])
    return Links(ap=np.repeat([*cells], each), place_m=site.geometry.point_m.cpu().numpy()[cell].astype(float))


def scored(site: Site, links: Links, paths: TracedPaths, seed: int) -> dict[str, dict[str, Array]]:
    """SGCS of each link and rate of each group by report, and the squared autocorrelation of each link."""
    h = _channels(site, links, paths)
    grid, decoded = angle_delay_grid(site), {}
    for name in CODECS:
        codec = complete(codecs.get(name)(site, site.device), name, grid, site.device)
        for length in codec.codeword_lengths:
            asked = torch.full((len(h),), length, device=h.device)
            side = SideInformation(codeword_bits=asked)
            report = codec.decode(codec.encode(h, side), side)
            decoded[f"{name}, {int(codec.bits(asked[:1]))} bit"] = report
    share, doppler_hz = _spectrum(site, paths, seed)
    correlation = (share * np.exp(2j * np.pi * doppler_hz * _AGE_S)).sum(1)
    return {
        "sgcs": {name: sgcs(h, said).cpu().numpy() for name, said in decoded.items()},
        "rate": {name: _rate(site, h, said) for name, said in {**decoded, "perfect": h}.items()},
        "autocorrelation": {"after_10_ms": np.abs(correlation) ** 2},
    }


def _spectrum(site: Site, paths: TracedPaths, seed: int) -> tuple[Array, Array]:
    """Shares of the power and Doppler shifts [Hz] of paths [N, P], for UEs that walk in random directions."""
    heading = np.random.default_rng(seed).uniform(-np.pi, np.pi, len(paths.gain))
    velocity = _WALK_M_S * np.stack([np.cos(heading), np.sin(heading)], -1)
    power = np.abs(paths.gain) ** 2
    doppler_hz = (paths.arrival[..., :2] * velocity[:, None]).sum(-1) / site.recipe.wavelength_m
    return power / power.sum(1, keepdims=True), doppler_hz


def _coherence_time_s(site: Site, paths: TracedPaths, seed: int) -> float:
    share, doppler_hz = (torch.from_numpy(part).float() for part in _spectrum(site, paths, seed))
    return float(coherence_time_s(share, doppler_hz).median())


def _channels(site: Site, links: Links, paths: TracedPaths) -> torch.Tensor:
    """As UEs report them, delays counted from the first path on, complex64 [N, blocks, antennas]."""
    blocks = site.recipe.csi_blocks
    offset_hz = (np.arange(blocks) - (blocks - 1) / 2) * site.recipe.block_spacing_hz
    antenna_m = site.reality(WORLD).antenna_m.cpu().numpy().astype(float)[links.ap]
    h = channels(paths, antenna_m, site, offset_hz, absolute=False)
    return torch.from_numpy(h.astype(np.complex64)).to(site.device)


def _rate(site: Site, h: torch.Tensor, said: torch.Tensor) -> Array:
    """Shannon's sum of each group [groups], in the mean over blocks, if the AP precodes by what is `said`."""
    true, known = (part.unflatten(0, (-1, TOGETHER)).transpose(1, 2) for part in (h, said))
    noise = torch.full((len(true), TOGETHER), noise_to_power(site.recipe), device=h.device)
    sinr = signal_to_interference(true, regularised_zero_forcing(known, noise, 1.0), noise)
    return np.asarray(torch.log2(1 + sinr).sum(-1).mean(-1).cpu())


def conclusions(scores: Mapping[int, Mapping[str, Array]], kept: int, seed: int) -> dict[str, Any]:
    """Whether what is found better stays better.

    Args:
        scores: by number of paths kept, of each report [N].
        kept: the number that is checked.
        seed: of the intervals.

    Returns:
        The number of `pairs` of reports; how many of them are `told_apart`, as the interval of their difference does
        not hold zero; and by the other numbers of paths how many of these are then `reversed`, told apart the other way
        round.
    """
    signs = {
        count: {(a, b): _sign(by[a] - by[b], seed) for a, b in itertools.combinations(by, 2)}
        for count, by in scores.items()
    }
    own = {pair: sign for pair, sign in signs[kept].items() if sign}
    return {
        "pairs": len(signs[kept]),
        "told_apart": len(own),
        "reversed": {
            str(count): sum(other[pair] == -sign for pair, sign in own.items())
            for count, other in signs.items()
            if count != kept
        },
    }


def _sign(difference: Array, seed: int) -> int:
    """1 or -1 where the interval of the mean is on one side of zero, else 0."""
    mean = interval(difference, _generator(seed))
    return int(mean["low"] > 0) - int(mean["high"] < 0)


def of_polarisation(site: Site, links: Links, clutter: Clutter) -> dict[str, float]:
    """What tracing with one polarisation leaves out: links traced with AP and UE vertical, horizontal and crossed.

    Returns:
        `gain_difference_db`: median absolute difference of the gains, both horizontal or both vertical. `sgcs`: mean of
        these two channels'. `cross_power_db`: median power that arrives crossed over what arrives uncrossed.
    """
    paths = {which: traced(site, site.recipe.worlds[WORLD], clutter, links, which) for which in POLARISATIONS}
    vv, hh, vh, hv = ((np.abs(of.gain) ** 2).sum(1) for of in paths.values())
    lit = (vv > 0) & (hh > 0)
    vertical, horizontal = (_channels(site, links, paths[which])[lit] for which in POLARISATIONS[:2])
    return {
        "gain_difference_db": float(np.median(np.abs(10 * np.log10(hh[lit] / vv[lit])))),
        "sgcs": float(sgcs(vertical, horizontal).mean()),
        "cross_power_db": float(np.median(10 * np.log10(np.maximum((vh + hv)[lit] / (vv + hh)[lit], 1e-12)))),
    }


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
