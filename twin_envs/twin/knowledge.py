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
precoding does not see. Coherence time: see `coherence_time_s`; 10 s stands for 10 s and more. Coherence bandwidth:
1 / (2 pi delay spread).
"""
_NAMES = tuple(KNOWLEDGE_FIELDS)
STATIC_FIELDS = _NAMES[:8]
"""Fields that depend on the place alone: they come first."""
K_FACTOR_RANGE_DB = (-40.0, 40.0)

LONGEST_COHERENCE_S = 10.0
"""Coherence times are told up to here."""
_AGES = 10
_AGE_STEP = 0.06
"""The autocorrelation is looked at `_AGES` x `_AGES` ages, so far apart in units of 1 / Doppler spread. It cannot have
fallen to one half before 0.11 of these; of links that fall within 10 s, 1 in 20 does so only after the last age."""


@dataclass(frozen=True, kw_only=True)
class SensedState:
    """Where N UEs are and how they move, as far as sensing tells; both axes have the same standard deviation.

    Attributes:
        position_m: float32 [N, 2].
        velocity_m_s: float32 [N, 2].
        position_std_m, velocity_std_m_s: float32 [N].
    """

    position_m: torch.Tensor
    velocity_m_s: torch.Tensor
    position_std_m: torch.Tensor
    velocity_std_m_s: torch.Tensor

    def of(self, which: torch.Tensor) -> SensedState:
        """Of some of the UEs, an index or bool [N]."""
        return SensedState(**{name: value[which] for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """Knowledge of N UEs.

    Attributes:
        covered: share of the UE's position distribution for which the twin has a channel, float32 [N]; where it is 0
            the other numbers mean nothing.
        values: float32 [N, fields], means over that distribution, of the coherence time in its logarithm; in the order
            of `KNOWLEDGE_FIELDS`.
        std: float32 [N, fields], standard deviations about them: over that distribution and, once the network has
            measured how wrong its twin is (`TwinError`), from that.
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


def doppler_spread_hz(power: torch.Tensor, doppler_hz: torch.Tensor) -> torch.Tensor:
    """Root mean square of the Doppler shifts [..., P] of paths about their mean, weighted with `power` [..., P]: [...].

    0 where there is no path.
    """
    share = power / power.sum(-1, keepdim=True).clamp_min(1e-30)
    about = doppler_hz - (share * doppler_hz).sum(-1, keepdim=True)
    return (share * about.square()).sum(-1).sqrt()


def coherence_time_s(power: torch.Tensor, doppler_hz: torch.Tensor) -> torch.Tensor:
    """Age at which CSI is worth half: when the channel's squared autocorrelation has first fallen to one half.

    The squared autocorrelation is |sum p exp(2 pi i f t)|^2 / (sum p)^2 over the paths. Where one path dominates it
    never falls so far.

    Args:
        power: of the paths, float32 [..., P]; 0 for padding.
        doppler_hz: their Doppler shifts, float32 [..., P].

    Returns:
        float32 [...]; `LONGEST_COHERENCE_S` where it is that or longer, or nothing arrives.
    """
    share = power / power.sum(-1, keepdim=True).clamp_min(1e-30)
    spread_hz = doppler_spread_hz(power, doppler_hz)
    step_s = _AGE_STEP / spread_hz.clamp_min(1e-6)
    # exp(i (j + 10 k) x) = exp(i j x) exp(10 i k x): 20 sines and cosines, and products of matrices, instead of 100.
    count = torch.arange(_AGES, device=power.device)
    turn = (2 * math.pi * doppler_hz * step_s[..., None])[..., None] * torch.cat([1 + count, _AGES * count])
    (fine_x, coarse_x), (fine_y, coarse_y) = (wave.split(_AGES, -1) for wave in (turn.cos(), turn.sin()))
    coarse = (torch.cat([coarse_x, coarse_y], -1) * share[..., None]).mT
    (xx, yx), (xy, yy) = ((coarse @ fine).split(_AGES, -2) for fine in (fine_x, fine_y))
    squared = ((xx - yy).square() + (xy + yx).square()).flatten(-2)
    before = torch.cat([torch.ones_like(squared[..., :1]), squared[..., :-1]], -1)
    fallen = squared <= 0.5
    first = fallen.float().argmax(-1, keepdim=True)
    high, low = before.gather(-1, first)[..., 0], squared.gather(-1, first)[..., 0]
    steps = first[..., 0] + (high - 0.5) / (high - low).clamp_min(1e-9)
    time_s = torch.where(fallen.any(-1), steps * step_s, torch.inf)
    return time_s.clamp_max(LONGEST_COHERENCE_S)
