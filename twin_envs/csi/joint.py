"""Several access points send together: channels of all links, precoders, SINR."""

from __future__ import annotations

import torch

from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.world.recipe import SiteRecipe

SUBBANDS = 4
"""Resource blocks, evenly spread over the sounded ones, at which channels are looked at."""
SRS_PERIOD_SLOTS = 10
"""Each UE sends uplink pilots once in so many slots, 5 ms at 30 kHz, and the UEs take turns within them."""


def offsets_hz(recipe: SiteRecipe, device: torch.device) -> torch.Tensor:
    """Baseband frequencies of the resource blocks at which channels are looked at, float32 [F]."""
    block = (torch.arange(SUBBANDS, device=device) + 0.5) * (recipe.csi_blocks / SUBBANDS)
    return (block - recipe.csi_blocks / 2) * recipe.block_spacing_hz


def local_precoders(h_hat: torch.Tensor, serving: torch.Tensor, noise: float) -> torch.Tensor:
    """What every AP sends: by itself, regularised zero forcing for the UEs that it serves, with equal power for each.

    An AP knows its own channels to these UEs alone (local partial precoding: Bjornson and Sanguinetti, "Scalable
    cell-free massive MIMO systems", IEEE Trans. Commun. 68(7), 2020). All of them arrive at a UE in phase, so their
    amplitudes add.

    Args:
        h_hat: estimated channels, complex64 [N, U, A, F, antennas].
        serving: which AP serves which UE, bool [N, U, A].
        noise: noise over an AP's transmit power, both per resource element.

    Returns:
        complex64 [N, A, F, antennas, U]; each AP that serves somebody sends with a power of 1.
    """
    own = by_ap(h_hat * serving[..., None, None])
    noise_of_each = torch.full((*own.shape[:2], own.shape[3]), noise, device=own.device)
    return regularised_zero_forcing(own, noise_of_each, 1.0)


def by_ap(h: torch.Tensor) -> torch.Tensor:
    """Channels [N, U, A, F, antennas] as of each AP, [N, A, F, U, antennas]."""
    return h.permute(0, 2, 3, 1, 4)


def joint_sinr(h: torch.Tensor, w: torch.Tensor, noise: float) -> torch.Tensor:
    """SINR of all UEs when all APs send at once.

    Args:
        h: channels, complex64 [N, U, A, F, antennas].
        w: precoders of the APs, complex64 [N, A, F, antennas, U].
        noise: noise over an AP's transmit power, both per resource element.

    Returns:
        linear, float32 [N, U, F].
    """
    array = h.permute(0, 3, 1, 2, 4).flatten(3)  # as of one array with the antennas of all APs
    noise_of_each = torch.full(h.shape[:2], noise, device=h.device)
    return signal_to_interference(array, w.transpose(1, 2).flatten(2, 3), noise_of_each).mT
