"""CSI-RS: what a UE receives of the pilots, block by block and port by port."""

from __future__ import annotations

import torch

from twin_envs.base.errors import check_choice
from twin_envs.base.streams import Streams

PILOT_SPACINGS = (1, 2, 4, 8, 16)
"""Resource blocks from one sounded block to the next, the inverse of the CSI-RS density in RE per port and block.

TS 38.211, table 7.4.1.5.3-1, has densities 1 and 1/2 for 32 ports; the others go beyond it. A comb of every n-th block
tells delays apart within 1 / n of the delay that a comb of all blocks does, and what is later folds into that."""


def pilot_spacing(density: float) -> int:
    """Blocks from one sounded block to the next for a CSI-RS density of 1, 1/2, 1/4, 1/8 or 1/16.

    Raises:
        ConfigurationError: another density.
    """
    spacings = {1.0 / spacing: spacing for spacing in PILOT_SPACINGS}
    check_choice("density", float(density), spacings)
    return spacings[float(density)]


def sounded(spacing: torch.Tensor, blocks: int) -> torch.Tensor:
    """Which blocks carry pilots: an even comb from block 0, bool [N, blocks], for int64 `spacing` [N]."""
    return torch.arange(blocks, device=spacing.device) % spacing[:, None] == 0


def sound(
    h: torch.Tensor, noise_to_pilot: torch.Tensor, spacing: torch.Tensor, streams: Streams, rows: torch.Tensor
) -> torch.Tensor:
    """CSI-RS samples: the channel in noise at the sounded blocks, one sample for each port and block.

    The ports share resource elements by code division (TS 38.211, 7.4.1.5.3): in a CDM group of size L each of L ports
    sends 1/L of the power in each of L elements, so that after despreading a port has the energy of one resource
    element at full transmit power, against the noise of one.

    Args:
        h: complex64 [N, blocks, antennas], amplitude gain from each antenna port.
        noise_to_pilot: float32 [N], noise power per resource element at the UE over the transmit power per resource
            element of the whole access point, linear. It is the variance of the error of a sample.
        spacing: int64 [N], one of `PILOT_SPACINGS` for each UE.
        streams: random numbers.
        rows: int64 [N], the stream of each UE; no stream twice.

    Returns:
        complex64 [N, blocks, antennas], zero at blocks without pilots.
    """
    noise = streams.complex_normal(rows, *h.shape[1:]).mul_(noise_to_pilot.sqrt()[:, None, None])
    return noise.add_(h).mul_(sounded(spacing, h.shape[1])[..., None])
