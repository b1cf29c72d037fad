"""What knowledge extraction reads from a channel twin for one UE."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

KNOWLEDGE_FIELDS = {
    "gain_db": "dB",
    "los_probability": "",
    "delay_spread_s": "s",
    "departure_azimuth_rad": "rad",
    "departure_spread_rad": "rad",
    "arrival_azimuth_rad": "rad",
    "arrival_spread_rad": "rad",
    "k_factor_db": "dB",
    "doppler_spread_hz": "Hz",
    "coherence_time_s": "s",
    "coherence_bandwidth_hz": "Hz",
}
"""Name and unit of every field of `Knowledge`.

Gain: mean path gain of an antenna element. Angles: azimuth, of departure relative to the AP's boresight, of arrival
where the UE receives from, relative to x; spreads are circular standard deviations (TR 38.901, annex A). Delay spread:
root mean square. K-factor: line of sight over the rest. Doppler spread: root mean square about the mean Doppler, which
precoding does not see. Coherence time: when the squared autocorrelation of a Gaussian Doppler spectrum of that spread
has fallen to one half. Coherence bandwidth: 1 / (2 pi delay spread).
"""
_NAMES = tuple(KNOWLEDGE_FIELDS)


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """Knowledge of N UEs.

    Attributes:
        covered: share of the UE's position distribution for which the twin has a channel, float32 [N]; where it is 0
            the other numbers mean nothing.
        values: float32 [N, fields], means over that distribution, in the order of `KNOWLEDGE_FIELDS`.
        std: float32 [N, fields], standard deviations over it.
    """

    covered: torch.Tensor
    values: torch.Tensor
    std: torch.Tensor

    def __getitem__(self, field: str) -> torch.Tensor:
        """Mean of `field` [N]."""
        return self.values[..., _NAMES.index(field)]

    def uncertainty(self, field: str) -> torch.Tensor:
        """Standard deviation of `field` [N]."""
        return self.std[..., _NAMES.index(field)]


def coherence_time_s(doppler_spread_hz: torch.Tensor) -> torch.Tensor:
    """Age at which the squared autocorrelation of a Gaussian Doppler spectrum is one half, at most 10 s."""
    return (math.sqrt(math.log(2.0)) / (2 * math.pi * doppler_spread_hz.clamp_min(1e-6))).clamp_max(10.0)
