"""Where the arrays of a twin really point, from sweeps that were measured.

An array that was mounted turned by a few degrees sends every beam somewhere else than its twin believes, so one angle
for each AP is wrong in all that the twin says of beams, and some sweeps at known places tell it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.units import linear_to_db
from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.twin.protocol import SensedState

_STEP_RAD, _STEPS = 0.03, 10
"""Errors that are tried: as many steps to either side, 0.3 rad."""
_MOUNTING_RAD = 0.1
"""Standard deviation of the error before anything was measured."""
_ERROR_DB = 3.0
"""Standard deviation of what the twin expects of a sweep. Beams err together, those of one path all alike, so all beams
of a sweep count as one measurement."""
_FLOOR_DB = -10.0
"""SNR below which beams are not told apart."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """N sweeps of all beams, at places that sensing tells.

    Attributes:
        sensed: where they were made.
        ap: of which AP, int64 [N].
        snr: measured signal-to-noise ratio of every beam, linear, float32 [N, K].
    """

    sensed: SensedState
    ap: torch.Tensor
    snr: torch.Tensor


def estimate_yaw_error_rad(twin: BeamMap, noise: float, survey: Survey) -> torch.Tensor:
    """By how much each AP points elsewhere than the twin believes, float32 [A]; 0 where nothing was measured.

    The most likely angle: a sweep's likelihood is the mean, over the places where it may have been made, of a Gaussian
    of the error in decibels, a common gain left out; one in which nothing was received tells nothing. The maximum is
    sought in steps, and between them by a parabola.

    Args:
        twin: of arrays that point where the recipe says.
        noise: noise over transmit power per resource element; linear.
        survey: what was measured.
    """
    device, aps = survey.snr.device, len(twin.geometry.ap_position_m)
    found_db = linear_to_db(survey.snr, _FLOOR_DB)[:, None]
    received = survey.snr.amax(-1) > 1.0
    tried_rad = torch.arange(-_STEPS, _STEPS + 1, device=device) * _STEP_RAD
    likelihood = []
    for yaw_error_rad in tried_rad:
        beliefs = twin.turned(yaw_error_rad.expand(aps)).ask(survey.sensed, survey.ap)
        error_db = found_db - linear_to_db(beliefs.power / noise, _FLOOR_DB)  # [N, places, K]
        square = error_db.var(-1, correction=0) / _ERROR_DB**2
        of_sweep = (beliefs.weight * torch.exp(-0.5 * square)).sum(-1).clamp_min(1e-20).log() * received
        prior = -0.5 * (yaw_error_rad / _MOUNTING_RAD).square()
        likelihood.append(prior + torch.zeros(aps, device=device).index_add(0, survey.ap, of_sweep))
    value = torch.stack(likelihood, -1)  # [A, tried]
    best = value.argmax(-1).clamp(1, 2 * _STEPS - 1)
    before, at, after = (value.gather(-1, (best + side)[:, None])[:, 0] for side in (-1, 0, 1))
    between = 0.5 * (before - after) / (before - 2 * at + after).clamp_max(-1e-6)
    return tried_rad[best] + _STEP_RAD * between.clamp(-1.0, 1.0)
