"""What is left of channels after their reports, and what a cell makes of them.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from twin_envs.base.settings import computing
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import ChannelSampler, SampledLinks
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.csi.codecs.told import Told
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.csi.training.training import nmse, nmse_by_block, reports_of, sgcs
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.world.store.site import Site

UES = 8
"""UEs that an AP serves at once where sum rates are told."""


def links_of(site: Site, world: str, count: int, seed: int) -> SampledLinks:
    """Links of a world, reality included, that are kept from training: `count` of them."""
    draw = ChannelSampler(site, site.reality(world), held_out=True)
    return draw.links(count, torch.Generator(site.device).manual_seed(seed))


def score(
    codec: Codec, site: Site, links: SampledLinks, told: Told, seed: int, expected: dict[int, float] | None
) -> dict[int, dict[str, Any]]:
    """How well a codec reports channels without noise, by codeword length.

    Args:
        codec: the codec.
        site: where.
        links: of one of its worlds.
        told: about which place the twin is asked, where the codec asks.
        seed: of the errors of positions.
        expected: the error that the cell expects of each length, linear; None for the one that is.

    Returns:
        `sgcs`, `nmse_db` with the best common phase, `nmse_by_block_db` with the best phase in each block (both None
        where nothing is lost), the mean `bits` that reports hold, `rate` (see `sum_rate`), and `sgcs` and `nmse_db` on
        the `streets` that are kept from training and at the `ap` that is.
    """
    generator = torch.Generator(site.device).manual_seed(seed)
    known, result = told(codec, site, "twin", links, generator), {}
    kept = links.ap == len(site.recipe.access_points) // 2
    for bits, decoded, held in reports_of(codec, links.h, known):
        with computing(len(links.h)):
            error, by_block, similar = (measure(links.h, decoded) for measure in (nmse, nmse_by_block, sgcs))
            lost = float(by_block.mean()) if expected is None else expected[bits]
            result[bits] = {
                "sgcs": float(similar.mean()),
                "nmse_db": _db(error),
                "nmse_by_block_db": _db(by_block),
                "bits": float(held.double().mean()),
                "rate": sum_rate(links, decoded, lost, noise_to_power(site.recipe)),
                **{
                    where: {"sgcs": float(similar[some].mean()), "nmse_db": _db(error[some])}
                    for where, some in (("streets", ~kept), ("ap", kept))
                },
            }
    return result


def sum_rate(links: SampledLinks, decoded: torch.Tensor, lost: float, noise: float) -> float:
    """What an AP could deliver to `UES` of its UEs at once [bit/s/Hz].

    It precodes with what is decoded by regularised zero forcing, as cells do, and takes the codec's error for white
    noise. Shannon's bound, no interference from other APs, no age, mean over groups of UEs that share an AP.

    Args:
        links: the channels as they are.
        decoded: what the cell has of them, complex64 [N, blocks, antennas].
        lost: normalised error that the cell expects, linear.
        noise: thermal noise over the AP's power, linear.
    """
    served = links.ap.argsort(stable=True)
    groups = [group for some in served.split(torch.bincount(links.ap).tolist()) for group in some.split(UES)]
    ues = torch.stack([group for group in groups if len(group) == UES])
    h, h_hat = (x[ues].transpose(1, 2) for x in (links.h, decoded))  # [groups, blocks, UES, antennas]
    thermal = torch.full(ues.shape, noise, device=h.device)
    error = lost * squared_magnitude(decoded).mean((1, 2))[ues]
    sinr = signal_to_interference(h, regularised_zero_forcing(h_hat, thermal + error, 1.0), thermal)
    return float(torch.log2(1 + sinr).sum(-1).mean())


def _db(error: torch.Tensor) -> float | None:
    """Mean error in decibels; None where nothing is lost, or there is none."""
    mean = float(error.double().mean())
    return 10 * math.log10(mean) if mean > 0 else None
