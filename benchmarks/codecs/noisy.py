"""What is lost by coding estimates that are noisy, as a cell has them.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import Any

import torch

from twin_envs.base.settings import computing
from twin_envs.base.streams import Streams
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import SampledLinks, angle_delay_grid, mean_profile
from twin_envs.csi.codecs.protocol import Codec, SideInformation
from twin_envs.csi.codecs.told import POSITION_ERROR_M
from twin_envs.csi.codecs.uncompressed.codec import from_site as uncompressed
from twin_envs.csi.training.training import sgcs
from twin_envs.csi.transforms import from_angle_delay
from twin_envs.envs.csi_cell.acquisition import Acquisition
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.twin.traced import traced_twin
from twin_envs.world.store.site import Site

BITS = 100
"""Most bits of a report, level included."""
SNRS_DB = (20, 10, 0)
"""Of a pilot sample, beside the SNRs that the cell's links have."""


def figures(codecs: dict[str, Codec], site: Site, links: SampledLinks, seed: int) -> dict[str, Any]:
    """SGCS with the true channels of the estimates of a cell, and of the reports that hold at most `BITS` bits.

    The estimator is that of cells, with the twin as prior at a position that is sensed with an error of
    `POSITION_ERROR_M`, and with pilots in every block.

    Returns:
        By SNR of a pilot sample in decibels, and for the `cell`'s own: `estimate`, and the SGCS of each of `codecs`.
    """
    power = squared_magnitude(links.h).mean((1, 2), keepdim=True)
    result = {"cell": _at(codecs, site, links, noise_to_power(site.recipe), seed)}
    for snr_db in SNRS_DB:
        alike = SampledLinks(h=links.h * (power.median() / power).sqrt(), position_m=links.position_m, ap=links.ap)
        result[str(snr_db)] = _at(codecs, site, alike, float(power.median()) / 10 ** (snr_db / 10), seed)
    return result


def _at(codecs: dict[str, Codec], site: Site, links: SampledLinks, noise: float, seed: int) -> dict[str, float]:
    with computing(len(links.h)):
        device, grid, twin = site.device, angle_delay_grid(site), traced_twin(site, "twin", site.device)
        rows = torch.arange(len(links.h), device=device)
        sensed_m = links.sensed_m(POSITION_ERROR_M, torch.Generator(device).manual_seed(seed))
        sensed_std_m, streams = torch.full((len(rows),), POSITION_ERROR_M, device=device), Streams(len(rows), device)
        streams.seed(rows, rows + seed)
        acquisition = Acquisition(grid, uncompressed(site, device), twin, "lmmse", mean_profile(site, "twin"))
        estimate = acquisition.estimate(
            links.h,
            noise,
            rows=rows,
            ap=links.ap,
            sensed_m=sensed_m,
            sensed_std_m=sensed_std_m,
            last=links.h,
            ports=torch.full_like(rows, grid.antennas),
            spacing=torch.ones_like(rows),
            streams=streams,
        )
        result = {"estimate": float(sgcs(links.h, from_angle_delay(estimate, grid)).mean())}
        for name, codec in codecs.items():
            asked = [length for length in codec.codeword_lengths if _charged(codec, length, device) <= BITS]
            if asked:
                told = codec.tell(twin, sensed_m, sensed_std_m, links.ap)
                side = SideInformation(codeword_bits=torch.full_like(rows, asked[-1]), told=told)
                result[name] = float(sgcs(links.h, codec.report(estimate, side)).mean())
        return result


def _charged(codec: Codec, length: int, device: torch.device) -> int:
    return int(codec.bits(torch.tensor([length], device=device)))
