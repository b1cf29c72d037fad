"""Doppler spectra: how fast the phase of each angle-delay bin is expected to turn, and how surely."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch

from twin_envs.base.units import SPEED_OF_LIGHT, phasor
from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.protocol import Report, Setting
from twin_envs.twin.protocol import ExpectsArrivals

CLARKE_STD = 0.5**0.5
"""Standard deviation of the Doppler shift over the largest one, where waves come from all sides alike (Clarke, "A
statistical theory of mobile-radio reception", Bell System Technical Journal, 1968)."""
_STANDING_M_S = 0.02
"""Nobody is taken to stand more still."""
_PLACES = 7
_GOLDEN_RAD = 2.399963
_UNKNOWN_SHARE = 0.1
"""Of the mean power of a bin: so much is expected in every bin from paths that the twin lacks."""
_LEAST_CORRELATION = 0.135
"""However long ago, a bin is that much like what it was: a path's direction and strength outlast its phase, and where
all phases are lost they are what there is to go by."""
_TINY = 1e-30


class Spectrum(NamedTuple):
    """Two normal distributions of the Doppler shift for each bin: one that a twin expects, and one round zero.

    Attributes:
        share: of the power that is in the first, float32 [...].
        mean_hz, std_hz: of the first, float32 [...].
        rest_std_hz: of the other, broadcasts against [...].
    """

    share: torch.Tensor
    mean_hz: torch.Tensor
    std_hz: torch.Tensor
    rest_std_hz: torch.Tensor

    def correlation(self, lag_s: torch.Tensor) -> torch.Tensor:
        """Of a bin with itself `lag_s` earlier, which broadcasts against [...]: complex64, 1 at a lag of 0.

        The Fourier transform of the spectrum: sum of share x exp(2 pi i mean lag - (2 pi std lag)^2 / 2), each of no
        smaller modulus than `_LEAST_CORRELATION` times its share.
        """
        pulsation = (2 * math.pi) * lag_s
        expected = phasor(pulsation * self.mean_hz) * _damping(pulsation * self.std_hz) * self.share
        return expected + (1 - self.share) * _damping(pulsation * self.rest_std_hz)


def _damping(phase_std_rad: torch.Tensor) -> torch.Tensor:
    return torch.exp(-0.5 * phase_std_rad.square()).clamp_min(_LEAST_CORRELATION)


class ExpectsSpectrum(Protocol):
    """Says what Doppler spectra N UEs have that have just reported, of the shape [N, F, antennas]."""

    def __call__(self, report: Report) -> Spectrum: ...


class FromSpeed:
    """The same spectrum in all bins, by nothing but the sensed speed: as wide as Clarke's, and normal.

    A report's phase has no meaning, so neither has the mean of the spectrum.

    Args:
        setting: where it is.
        bins: the bins.
    """

    def __init__(self, setting: Setting, bins: Bins) -> None:
        self._wavelength_m, self._shape = setting.wavelength_m, (bins.subbands, setting.grid.antennas)

    def __call__(self, report: Report) -> Spectrum:
        """See `ExpectsSpectrum`."""
        sensed = report.sensed
        zero = torch.zeros(len(report.h), *self._shape, device=report.h.device)
        speed = (sensed.velocity_m_s.square().sum(-1) + 2 * sensed.velocity_std_m_s.square()).sqrt()
        std_hz = CLARKE_STD * speed.clamp_min(_STANDING_M_S) / self._wavelength_m
        return Spectrum(zero, zero, zero, std_hz[:, None, None])


class FromTwin:
    """The Doppler shifts of the paths that the twin has at the sensed position, at the sensed velocity.

    Each path counts in each bin by the power that it leaks there, at `_PLACES` positions that stand for the normal
    distribution of the true one; mean and standard deviation are those of all of them, the error of the velocity
    included. Paths that the twin lacks are as `FromSpeed` expects them.

    Args:
        setting: where it is; the twin must have `ExpectsArrivals`.
        bins: the bins.
    """

    def __init__(self, setting: Setting, bins: Bins) -> None:
        self._twin: ExpectsArrivals = setting.twin
        self._bins, self._wavelength_m, self._rest = bins, setting.wavelength_m, FromSpeed(setting, bins)
        number = torch.arange(_PLACES, device=setting.device) + 0.5
        radius, angle = (-2 * torch.log(1 - number / _PLACES)).sqrt(), number * _GOLDEN_RAD
        self._offset = torch.stack([radius * angle.cos(), radius * angle.sin(), torch.zeros_like(angle)], -1)

    def __call__(self, report: Report) -> Spectrum:
        """See `ExpectsSpectrum`."""
        sensed, count = report.sensed, len(report.h)
        place = report.position_m[:, None] + self._offset * sensed.position_std_m[:, None, None]
        paths = self._twin.arriving_paths(place.flatten(0, 1), report.ap.repeat_interleave(_PLACES))
        velocity = sensed.velocity_m_s.repeat_interleave(_PLACES, 0)
        across = paths.arrival[..., :2]
        doppler_hz = (across @ velocity[..., None])[..., 0] / -self._wavelength_m
        std_hz = sensed.velocity_std_m_s.repeat_interleave(_PLACES)[:, None] / self._wavelength_m
        second = doppler_hz.square() + across.square().sum(-1) * std_hz.square()
        values = torch.stack([paths.power, paths.power * doppler_hz, paths.power * second], 1)
        apart_m = (sensed.position_std_m / _PLACES**0.5).repeat_interleave(_PLACES)[:, None]
        cycles_std = 0.5 * (apart_m / paths.distance_m[:, None].clamp_min(1.0)).clamp_max(0.5)
        moments = self._bins.moments(paths, apart_m / SPEED_OF_LIGHT, cycles_std, values)
        power, first, second = moments.unflatten(0, (count, _PLACES)).mean(1).unbind(1)
        mean_hz = first / power.clamp_min(_TINY)
        std_hz = (second / power.clamp_min(_TINY) - mean_hz.square()).clamp_min(0).sqrt()
        unknown = _UNKNOWN_SHARE * power.mean((1, 2), keepdim=True)
        share = power / (power + unknown).clamp_min(_TINY)
        return Spectrum(share, mean_hz, std_hz, self._rest(report).rest_std_hz)
