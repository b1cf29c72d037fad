"""How a UE measures beams."""

from __future__ import annotations

import torch

from twin_envs.world.recipe import SiteRecipe

SUBBANDS = 4
"""Parts of the carrier at whose middle the channel is evaluated."""
_PILOTS_PER_BLOCK = 3
"""Resource elements of a beam's CSI-RS in a resource block and symbol: one port with density 3 (TS 38.211, table
7.4.1.5.3-1), which beam management uses."""


def subband_hz(recipe: SiteRecipe, device: torch.device | str) -> torch.Tensor:
    """Baseband frequencies at which channels are evaluated, float32 [SUBBANDS]."""
    middle = (torch.arange(SUBBANDS, device=device) - (SUBBANDS - 1) / 2) / SUBBANDS
    return middle * (recipe.carrier_blocks * recipe.block_spacing_hz)


def beam_pilots(recipe: SiteRecipe, symbols: int) -> int:
    """Resource elements by which a beam is measured that is sent for so many symbols."""
    return _PILOTS_PER_BLOCK * symbols * recipe.carrier_blocks


def measured_snr(snr: torch.Tensor, normal: torch.Tensor, pilots: float) -> torch.Tensor:
    """What is measured of beams with mean signal-to-noise ratio `snr`, both linear, of one shape.

    The estimate of a mean power over n resource elements with noise of unit power has the variance (2 SNR + 1) / n.

    Args:
        snr: true ratio.
        normal: standard normals.
        pilots: n.
    """
    return (snr + normal * ((2 * snr + 1) / pilots).sqrt()).clamp_min(1e-3)
