"""Knowledge in numbers that depend on the place alone, so that they can be interpolated.

A Doppler spread goes with the speed, and a coherence time is a distance over it. How a direction of motion matters is
not told apart. The coherence bandwidth follows from the delay spread.
"""

from __future__ import annotations

import math

import torch

from twin_envs.twin.knowledge import (
    K_FACTOR_RANGE_DB,
    KNOWLEDGE_FIELDS,
    LONGEST_COHERENCE_S,
    STATIC_FIELDS,
    SensedState,
)
from twin_envs.twin.quadrature import wrapped

FEATURES = (*STATIC_FIELDS, "doppler_spread_cycles_m", "log_coherence_m")
"""The first fields of `Knowledge`; then the Doppler spread at 1 m/s, and the natural logarithm of the distance in which
the channel's autocorrelation falls."""
AZIMUTHS = [FEATURES.index("departure_azimuth_rad"), FEATURES.index("arrival_azimuth_rad")]
GAIN, LINE_OF_SIGHT = FEATURES.index("gain_db"), FEATURES.index("los_probability")
_PLAIN = len(STATIC_FIELDS)
_DELAY = FEATURES.index("delay_spread_s")
_NOT_NEGATIVE = [FEATURES.index(name) for name in FEATURES if "spread" in name]
_K_FACTOR = FEATURES.index("k_factor_db")
_LEAST_DELAY_SPREAD_S = 1e-10
_WIDEST_HZ = 1e9


def speed_m_s(sensed: SensedState) -> torch.Tensor:
    """Root mean square of the speed of UEs, float32 [N]; at least 1 mm/s."""
    return torch.hypot(sensed.velocity_m_s.norm(dim=-1), math.sqrt(2) * sensed.velocity_std_m_s).clamp_min(1e-3)


def features_of(values: torch.Tensor, sensed: SensedState) -> torch.Tensor:
    """Features [N, 10] of knowledge with `values` [N, fields] about UEs that are `sensed` [N]."""
    names, speed = list(KNOWLEDGE_FIELDS), speed_m_s(sensed)
    doppler = values[:, names.index("doppler_spread_hz")] / speed
    coherence_m = values[:, names.index("coherence_time_s")].clamp_min(1e-6) * speed
    return torch.cat([values[:, :_PLAIN], doppler[:, None], coherence_m.log()[:, None]], -1)


def values_of(features: torch.Tensor, std: torch.Tensor, sensed: SensedState) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and standard deviations of knowledge [N, fields] about UEs that are `sensed` [N].

    Args:
        features: [N, 10], kept within what they can be.
        std: their standard deviations [N, 10].
        sensed: of which the speed counts.
    """
    features = features.clone()
    features[:, AZIMUTHS] = wrapped(features[:, AZIMUTHS])
    features[:, _NOT_NEGATIVE] = features[:, _NOT_NEGATIVE].clamp_min(0.0)
    features[:, LINE_OF_SIGHT] = features[:, LINE_OF_SIGHT].clamp(0.0, 1.0)
    features[:, _K_FACTOR] = features[:, _K_FACTOR].clamp(*K_FACTOR_RANGE_DB)
    speed = speed_m_s(sensed)
    doppler, coherence_s = features[:, -2] * speed, (features[:, -1].exp() / speed).clamp_max(LONGEST_COHERENCE_S)
    delay_s = features[:, _DELAY].clamp_min(_LEAST_DELAY_SPREAD_S)
    bandwidth_hz = (1 / (2 * math.pi * delay_s)).clamp_max(_WIDEST_HZ)
    moving = torch.stack([doppler, coherence_s, bandwidth_hz], -1)
    # A share of the value, and no more than all of it: so far the first derivative holds.
    shares = torch.stack([std[:, -1], std[:, _DELAY] / delay_s], -1).clamp_max(1.0)
    moving_std = torch.stack([std[:, -2] * speed, coherence_s * shares[:, 0], bandwidth_hz * shares[:, 1]], -1)
    return torch.cat([features[:, :_PLAIN], moving], -1), torch.cat([std[:, :_PLAIN], moving_std], -1)
