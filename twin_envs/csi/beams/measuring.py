"""How a UE measures beams."""

from __future__ import annotations

import torch

from twin_envs.base.units import db_to_linear, linear_to_db
from twin_envs.world.recipe import SiteRecipe

SUBBANDS = 4
"""Parts of the carrier at whose middle the channel is evaluated."""
_BEST_DB, _BEST_STEP_DB = (-23.0, 40.0), 0.5
_STEP_DB, _STEPS = 1.0, 15
"""Range and steps in which the best beam of a report is told, and steps of the others below it (L1-SINR: TS 38.214,
5.2.1.4.4)."""
SSB_PILOTS = 127
"""Resource elements by which a beam's SSB is measured: its secondary synchronisation signal (TS 38.211, 7.4.2.3)."""
SSB_SUBBANDS = slice(1, 3)
"""Subbands that an SSB's 20 resource blocks reach: the middle ones."""
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


def reported_snr(measured: torch.Tensor, beams: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network knows of the beams [N, K] of which a UE measured `beams` and reports the `most` strongest.

    The strongest is told in steps of 0.5 dB, and how far the others are below it in steps of 1 dB. Of a beam that was
    measured and is not reported the network knows that it is no stronger than the weakest that is.

    Args:
        measured: signal-to-noise ratios, linear, float32 [N, K].
        beams: bool [N, K], one or more in each row.
        most: beams in a report.

    Returns:
        linear, float32 [N, K], and of which beams it is only a bound, bool [N, K].
    """
    strongest = torch.where(beams, measured, 0.0).topk(min(most, measured.shape[1]), -1)
    found_db = linear_to_db(strongest.values)
    best_db = (found_db[:, :1] / _BEST_STEP_DB).round() * _BEST_STEP_DB
    below = ((found_db[:, :1] - found_db) / _STEP_DB).round().clamp_max(_STEPS)
    reported = db_to_linear(best_db.clamp(*_BEST_DB) - _STEP_DB * below)
    weakest = reported.gather(1, beams.sum(-1, keepdim=True).clamp_max(reported.shape[1]) - 1)
    bound = torch.ones_like(beams).scatter(1, strongest.indices, False)
    return weakest.expand(measured.shape).scatter(1, strongest.indices, reported), bound
