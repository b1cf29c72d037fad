"""Doppler spectra: how fast the phase of each part of a channel is expected to turn, and how surely."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, Self

import torch

from twin_envs.base.units import phasor
from twin_envs.twin.knowledge import SensedState

CLARKE_STD = 0.5**0.5
"""Standard deviation of the Doppler shift over the largest one, where waves come from all sides alike (Clarke, "A
statistical theory of mobile-radio reception", Bell System Technical Journal, 1968)."""
_STANDING_M_S = 0.02
"""Nobody is taken to stand more still."""
_LEAST_CORRELATION = 0.135
"""However long ago, a channel is that much like what it was: a path's direction and strength outlast its phase, and
where all phases are lost they are what there is to go by."""


class Spectrum(Protocol):
    """Doppler spectra of M processes of N UEs."""

    def correlation(self, lag_s: torch.Tensor) -> torch.Tensor:
        """Of a process with itself `lag_s` [N, 1] earlier: real or complex, [N, 1] or [N, M], 1 at a lag of 0."""

    def at_times(self) -> Self:
        """The same with an axis for times: `correlation` then takes lags [N, T, 1] and gives [N, T, 1] or [N, T, M]."""


class Clarke(NamedTuple):
    """One normal spectrum round zero for all processes, as wide as Clarke's: what the speed alone says.

    A report's phase has no meaning, so neither has the mean of the spectrum.

    Attributes:
        std_hz: float32 [N, 1] or, with an axis for times, [N, 1, 1].
    """

    std_hz: torch.Tensor

    @classmethod
    def of(cls, sensed: SensedState, wavelength_m: float) -> Self:
        """The spectrum of UEs at their sensed speed."""
        return cls((CLARKE_STD * sensed_speed(sensed) / wavelength_m)[:, None])

    def correlation(self, lag_s: torch.Tensor) -> torch.Tensor:
        """See `Spectrum.correlation`; of no smaller modulus than `_LEAST_CORRELATION`."""
        return torch.exp(-0.5 * (2 * math.pi * self.std_hz * lag_s).square()).clamp_min(_LEAST_CORRELATION)

    def at_times(self) -> Self:
        """See `Spectrum.at_times`."""
        return self._replace(std_hz=self.std_hz[:, None])


class Lines(NamedTuple):
    """A sum of L normal spectra for each of M processes.

    Attributes:
        share: of the power that is in each, float32 [N, M, L].
        mean_hz, std_hz: of each, float32 [N, M, L].
    """

    share: torch.Tensor
    mean_hz: torch.Tensor
    std_hz: torch.Tensor

    def correlation(self, lag_s: torch.Tensor) -> torch.Tensor:
        """See `Spectrum.correlation`: the Fourier transform, the sum of share x exp(2 pi i mean lag - (2 pi std lag)^2
        / 2)."""
        pulsation = (2 * math.pi) * lag_s[..., None]
        damped = self.share * torch.exp(-0.5 * (pulsation * self.std_hz).square())
        return (damped * phasor(pulsation * self.mean_hz)).sum(-1)

    def at_times(self) -> Self:
        """See `Spectrum.at_times`."""
        return type(self)(*(values[:, None] for values in self))


def sensed_speed(sensed: SensedState) -> torch.Tensor:
    """Root mean square of the speed [N], the sensed velocity's error included."""
    speed = (sensed.velocity_m_s.square().sum(-1) + 2 * sensed.velocity_std_m_s.square()).sqrt()
    return speed.clamp_min(_STANDING_M_S)
