"""How errors of position and velocity grow: the linear model of one horizontal axis.

An error-state model (Groves, "Principles of GNSS, Inertial, and Multisensor Integrated Navigation Systems", 2nd ed.,
chapter 14). The IMU integrates the true acceleration plus its own errors, so estimate minus truth obeys a linear
equation that does not depend on the path; that difference is what is kept and moved here. With e = estimate - truth of
position p, velocity v, accelerometer bias a and GNSS bias g of one axis:

    p' = v,   v' = -a + white,   a' = white,   g' = -g / correlation time + white

and a GNSS fix measures p + g and v, each with white noise. Time steps are exact for any elapsed time, so a jump may be
split at will.
"""

from __future__ import annotations

import math

import torch

from twin_envs.base.constant import Constant
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu

STATES = 4
"""Position, velocity, accelerometer bias, GNSS bias."""
NOISES = 6
"""Independent normals that drive one time step."""
BIAS_NOISE = 5
"""The one of them that drives the GNSS bias."""


class ErrorModel(Constant):
    """How the errors of one axis begin and grow; the same for both.

    Args:
        gnss: whose fixes begin to follow UEs, and whose bias moves.
        imu: what carries estimates from one measurement to the next.
        device: where everything is computed.

    Attributes:
        first: errors after a first fix on independent normals, the GNSS bias taken for 0, float64 [4, 4].
    """

    def __init__(self, gnss: Gnss, imu: Imu, device: torch.device | str) -> None:
        self._bias_m, self._bias_time_s = gnss.bias_m, gnss.bias_time_s
        self.first = torch.tensor(_first_fix(gnss, imu), dtype=torch.float64, device=device)
        self._scale = torch.tensor(_noise_scale(imu), dtype=torch.float64, device=device)
        self._power = torch.tensor(_NOISE_POWER, device=device)

    def gains(self, elapsed: torch.Tensor) -> torch.Tensor:
        """By what the normals of a step of `elapsed` [N] seconds move the states, float64 [4, 6, N]."""
        powers = elapsed.sqrt() * torch.stack([torch.ones_like(elapsed), elapsed, elapsed * elapsed])
        gain = self._scale[..., None] * powers[self._power]
        gain[3, BIAS_NOISE] = self._bias_m * torch.sqrt(-torch.expm1(-2.0 * elapsed / self._bias_time_s))
        return gain

    def carry(self, state: torch.Tensor, elapsed: torch.Tensor) -> torch.Tensor:
        """States [4, columns, N, U] after `elapsed` [N] without noise; the GNSS bias shrinks."""
        time = elapsed[:, None]
        decay = torch.exp(-time / self._bias_time_s)
        position, velocity, acceleration, bias = state
        change = time * acceleration
        return torch.stack([position + time * (velocity - 0.5 * change), velocity - change, acceleration, decay * bias])


def mix(gain: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Sums [4, 2, N, U] of `noise` [K, 2, N, U] with the weights `gain` [4, K, N or 1]."""
    return (gain[:, :, None, :, None] * noise).sum(1)


def _first_fix(gnss: Gnss, imu: Imu) -> list[list[float]]:
    """Errors after a first fix: the position is off by the noise and the true bias."""
    bias = gnss.bias_m
    return [
        [gnss.noise_m, 0.0, 0.0, -bias],
        [0.0, gnss.velocity_noise_m_s, 0.0, 0.0],
        [0.0, 0.0, imu.bias_m_s2, 0.0],
        [0.0, 0.0, 0.0, bias],
    ]


# What noise adds to the states in time T, on independent normals, is scale x T^(power + 1/2): white acceleration noise
# gives the velocity a Wiener process and the position its integral; the accelerometer's bias walk is a Wiener process
# of which velocity and position get the integral and the double integral. The GNSS bias (last column) is no power of T.
_NOISE_POWER = [
    [1, 1, 2, 2, 2, 0],
    [0, 0, 1, 1, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
]


def _noise_scale(imu: Imu) -> list[list[float]]:
    white, walk = imu.velocity_walk_m_s, -imu.bias_walk_m_s2
    return [
        [white / 2, white / math.sqrt(12), walk / 6, walk / math.sqrt(48), walk / math.sqrt(720), 0.0],
        [white, 0.0, walk / 2, walk / math.sqrt(12), 0.0, 0.0],
        [0.0, 0.0, -walk, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]
