"""What the network knows of its users' motion: GNSS and IMU, fused by a Kalman filter, one for each UE.

The filter is an error-state filter (Groves, "Principles of GNSS, Inertial, and Multisensor Integrated Navigation
Systems", 2nd ed., chapter 14). The IMU integrates the true acceleration plus its own errors, so estimate minus truth
obeys a linear equation that does not depend on the path; that difference is what is kept and moved here. Both
horizontal axes have the same statistics, so one 4 x 4 covariance serves both. With e = estimate - truth of position p,
velocity v, accelerometer bias a and GNSS bias g of one axis:

    p' = v,   v' = -a + white,   a' = white,   g' = -g / correlation time + white

and a GNSS fix measures p + g and v, each with white noise. Time steps are exact for any elapsed time, so a jump may be
split at will.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.state import TensorState, tensor
from twin_envs.base.streams import Streams

_STATES = 4  # position, velocity, accelerometer bias, GNSS bias
_NOISES = 6  # independent normals that drive one time step

_RANGES = {
    "gnss_interval_s": (0.01, 10.0),
    "gnss_bias_m": (0.0, 100.0),
    "gnss_bias_time_s": (1.0, 3600.0),
    "gnss_noise_m": (0.01, 100.0),
    "gnss_velocity_noise_m_s": (0.01, 10.0),
    "least_sky_view": (0.0, 1.0),
    "accelerometer_bias_m_s2": (0.0, 5.0),
    "accelerometer_bias_walk_m_s2": (0.0, 1.0),
    "velocity_walk_m_s": (0.0, 5.0),
}


@dataclass(frozen=True, kw_only=True)
class SensingConfig:
    """Quality of the sensors. Standard deviations are of one horizontal axis.

    Sources of the defaults: smartphones in the open are good to 4.9 m (van Diggelen and Enge, "The world's first GPS
    MOOC and worldwide laboratory using smartphones", 2015), a u-blox M8 receiver to 2.5 m for half of its fixes (data
    sheet), which is 2.1 m in one axis. A phone gives a fix once a second, which is also such a receiver's default
    (u-blox 8 / M8 receiver description, UBX-CFG-RATE). Most of it is multipath and atmosphere and lasts for tens of
    seconds. The accelerometer's own noise is small (Bosch BMI160 data sheet: 180 ug/sqrt(Hz), which makes 0.0018 m/s in
    a second; offset 40 mg before calibration), but an attitude wrong by 1 degree lets 0.17 m/s^2 of gravity in. The
    accelerometer's bias stands for 0.3 degree that last, the velocity walk for what changes from step to step.

    Attributes:
        gnss_interval_s: time between fixes. With one fix in 0.1 s the velocity would be known to 0.055 m/s in the
            open instead of 0.10 m/s; the position, whose error lasts, to the same 2.5 m.
        gnss_bias_m: slowly varying part of the position error (first-order Gauss-Markov).
        gnss_bias_time_s: its correlation time.
        gnss_noise_m: part of the position error that is new at every fix.
        gnss_velocity_noise_m_s: error of the velocity from Doppler, new at every fix.
        least_sky_view: no fix where less of the sky hemisphere is visible. A phone in the open uses about 28 satellites
            of four constellations; the default leaves 7 of them, which 3 coordinates and 4 clocks need.
        accelerometer_bias_m_s2: bias at the start.
        accelerometer_bias_walk_m_s2: change of the bias in 1 s, a random walk.
        velocity_walk_m_s: velocity error that the accelerometer's white noise makes in 1 s, a random walk.

    Raises:
        ConfigurationError: if a field is out of range.
    """

    gnss_interval_s: float = 1.0
    gnss_bias_m: float = 2.5
    gnss_bias_time_s: float = 60.0
    gnss_noise_m: float = 0.5
    gnss_velocity_noise_m_s: float = 0.15
    least_sky_view: float = 0.25
    accelerometer_bias_m_s2: float = 0.05
    accelerometer_bias_walk_m_s2: float = 0.005
    velocity_walk_m_s: float = 0.05

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(field.name, getattr(self, field.name), *_RANGES[field.name])

    @property
    def position_std_m(self) -> float:
        """Standard deviation of a single fix in one axis."""
        return math.hypot(self.gnss_bias_m, self.gnss_noise_m)


class SkyView(Constant):
    """Raster of the visible fraction of the sky, 0 to 1.

    Args:
        values: [ny, nx], row along y, column along x.
        origin_m: (x, y) of the centre of cell [0, 0].
        step_m: side of a cell.
        device: where the raster is kept.

    Raises:
        ConfigurationError: if `values` is not a raster of numbers from 0 to 1.
    """

    def __init__(
        self, values: object, origin_m: tuple[float, float], step_m: float, device: torch.device | str = "cpu"
    ) -> None:
        check_number("step_m", step_m, 0.01, 100.0)
        self.values = torch.as_tensor(values, dtype=torch.float32, device=device)
        shape = list(self.values.shape)
        if len(shape) != 2 or 0 in shape or not bool(((self.values >= 0) & (self.values <= 1)).all()):
            raise ConfigurationError(f"values must be a raster [ny, nx] of numbers from 0 to 1, got {shape}: {values}")
        self._origin_m = torch.tensor(origin_m, dtype=torch.float32, device=device)
        self._step_m = step_m
        self._last = torch.tensor(self.values.shape[::-1], device=device) - 1

    def at(self, position: torch.Tensor) -> torch.Tensor:
        """Visible fraction at positions [..., 2] (x, y) [m]: that of the nearest cell. float32 [...]."""
        cell = torch.minimum(((position - self._origin_m) / self._step_m).round().long().clamp_min(0), self._last)
        return self.values[cell[..., 1], cell[..., 0]]


@dataclass(kw_only=True)
class Estimates(TensorState):
    """Where U users of B environments are and how they move, as far as sensing tells; this is what the network knows.

    Attributes:
        position: estimated position [m], float32 [B, U, 2].
        velocity: estimated velocity [m/s], float32 [B, U, 2].
        position_std_m, velocity_std_m_s: standard deviation of their errors in each axis, float32 [B, U].
    """

    position: torch.Tensor = tensor("env", "ue", 2)
    velocity: torch.Tensor = tensor("env", "ue", 2)
    position_std_m: torch.Tensor = tensor("env", "ue")
    velocity_std_m_s: torch.Tensor = tensor("env", "ue")


@dataclass(kw_only=True)
class Filters(TensorState):
    """What the network does not know: the errors of its estimates, beside their covariance. Privileged.

    Attributes:
        values: float64 [state, column, B, U]. Columns 0 and 1 are the errors of x and y, the other four the
            covariance: the same linear maps move both. float64: within a slot of 0.5 ms variances change by less than
            a float32 can hold.
        since_fix_s: time since the last fix, float64 [B, U].
    """

    values: torch.Tensor = tensor(_STATES, 2 + _STATES, "env", "ue", dtype=torch.float64)
    since_fix_s: torch.Tensor = tensor("env", "ue", dtype=torch.float64)


class Sensing:
    """Estimates of position and velocity of U users in each of B environments.

    Args:
        config: quality of the sensors.
        num_envs: B.
        num_ue: U.
        sky_view: where GNSS works.
        device: where the filters run.

    Attributes:
        estimates: what comes of it; `start` and `advance` change it in place.
        state: the filters, with the true errors in them.
    """

    def __init__(
        self,
        config: SensingConfig,
        num_envs: int,
        num_ue: int,
        sky_view: SkyView,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.sky_view = sky_view
        self.estimates = Estimates.create(num_envs, device, ue=num_ue)
        self.state = Filters.create(num_envs, device, ue=num_ue)
        self._first_fix = torch.tensor(_first_fix(config), dtype=torch.float64, device=device)
        self._noise_scale = torch.tensor(_noise_scale(config), dtype=torch.float64, device=device)
        self._noise_power = torch.tensor(_NOISE_POWER, device=device)

    @property
    def covariance(self) -> torch.Tensor:
        """Covariance of the errors in one axis (both have the same), float64 [B, U, 4, 4].

        Order: position [m], velocity [m/s], accelerometer bias [m/s^2], GNSS bias [m]. A view: `advance` changes it.
        """
        return self.state.values[:, 2:].permute(2, 3, 0, 1)

    def start(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor, streams: Streams) -> None:
        """Begin anew in environments `rows` [N]: each UE has just obtained its first fix.

        So its position is wrong by the GNSS bias, drawn from its stationary distribution, and by the fix's noise.

        Args:
            position: [N, U, 2] true position [m].
            velocity: [N, U, 2] true velocity [m/s].
            streams: the random numbers.
        """
        noise = self._normal(streams, rows, _STATES)
        self.state.values[:, :2, rows] = _mix(self._first_fix[..., None], noise)
        self.state.values[:, 2:, rows] = (self._first_fix @ self._first_fix.mT)[..., None, None]
        self.state.since_fix_s[rows] = streams.uniform(rows, position.shape[1]).double() * self.config.gnss_interval_s
        self._estimate(rows, position, velocity)

    def advance(
        self,
        rows: torch.Tensor,
        elapsed_s: torch.Tensor,
        position: torch.Tensor,
        velocity: torch.Tensor,
        streams: Streams,
    ) -> None:
        """Let time pass in environments `rows` [N]; at its end a fix is used if one is due and the sky is visible.

        Args:
            elapsed_s: [N] time since the last call, more than 0. Fixes that fell due on the way are used as one.
            position: [N, U, 2] true position at the end [m].
            velocity: [N, U, 2] true velocity at the end [m/s].
            streams: the random numbers.
        """
        config = self.config
        elapsed = elapsed_s.double()
        noise = self._normal(streams, rows, _NOISES + 2)
        state = self._predict(self.state.values[:, :, rows], elapsed, noise[:_NOISES])
        since_fix = self.state.since_fix_s[rows] + elapsed[:, None]
        fixes = (since_fix / config.gnss_interval_s).floor()
        self.state.since_fix_s[rows] = since_fix - fixes * config.gnss_interval_s
        fixed = (fixes > 0) & (self.sky_view.at(position) >= config.least_sky_view)
        state = _measure(state, (0, 3), config.gnss_noise_m, noise[-2], fixed)
        self.state.values[:, :, rows] = _measure(state, (1,), config.gnss_velocity_noise_m_s, noise[-1], fixed)
        self._estimate(rows, position, velocity)

    def _predict(self, state: torch.Tensor, elapsed: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Filters [4, 6, N, U] after `elapsed` [N] without a fix."""
        time, bias_time = elapsed[:, None], self.config.gnss_bias_time_s
        decay = torch.exp(-time / bias_time)
        powers = elapsed.sqrt() * torch.stack([torch.ones_like(elapsed), elapsed, elapsed * elapsed])
        gain = self._noise_scale[..., None] * powers[self._noise_power]
        gain[3, 5] = self.config.gnss_bias_m * torch.sqrt(-torch.expm1(-2.0 * elapsed / bias_time))
        state = _carry(state, time, decay)
        error = state[:, :2] + _mix(gain, noise)
        covariance = _carry(state[:, 2:].transpose(0, 1), time, decay) + (gain[:, None] * gain).sum(2)[..., None]
        return torch.cat([error, covariance], dim=1)

    def _normal(self, streams: Streams, rows: torch.Tensor, count: int) -> torch.Tensor:
        """Standard normals, float64 [count, 2, N, U]: one complex number serves both axes."""
        pairs = torch.view_as_real(streams.complex_normal(rows, count, self.estimates.position.shape[1]))
        return pairs.permute(1, 3, 0, 2).to(torch.float64, memory_format=torch.contiguous_format) * math.sqrt(2.0)

    def _estimate(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor) -> None:
        values, estimates = self.state.values[:, :, rows], self.estimates
        error = values[:2, :2].permute(0, 2, 3, 1).float()
        estimates.position[rows], estimates.velocity[rows] = position + error[0], velocity + error[1]
        estimates.position_std_m[rows] = values[0, 2].sqrt().float()
        estimates.velocity_std_m_s[rows] = values[1, 3].sqrt().float()


def _first_fix(config: SensingConfig) -> list[list[float]]:
    """Errors after a first fix on independent normals: GNSS bias taken for 0, position off by the true bias."""
    bias = config.gnss_bias_m
    return [
        [config.gnss_noise_m, 0.0, 0.0, -bias],
        [0.0, config.gnss_velocity_noise_m_s, 0.0, 0.0],
        [0.0, 0.0, config.accelerometer_bias_m_s2, 0.0],
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


def _noise_scale(config: SensingConfig) -> list[list[float]]:
    white, walk = config.velocity_walk_m_s, -config.accelerometer_bias_walk_m_s2
    return [
        [white / 2, white / math.sqrt(12), walk / 6, walk / math.sqrt(48), walk / math.sqrt(720), 0.0],
        [white, 0.0, walk / 2, walk / math.sqrt(12), 0.0, 0.0],
        [0.0, 0.0, -walk, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]


def _mix(gain: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Sums [4, 2, N, U] of `noise` [K, 2, N, U] with the weights `gain` [4, K, N or 1]."""
    return (gain[:, :, None, :, None] * noise).sum(1)


def _carry(state: torch.Tensor, time: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """States [4, columns, N, U] after `time` [N, 1] without noise; the GNSS bias shrinks to `decay` of itself."""
    position, velocity, acceleration, bias = state
    change = time * acceleration
    return torch.stack([position + time * (velocity - 0.5 * change), velocity - change, acceleration, decay * bias])


def _measure(
    state: torch.Tensor, measured: tuple[int, ...], noise_std: float, noise: torch.Tensor, used: torch.Tensor
) -> torch.Tensor:
    """Kalman update of filters [4, 6, N, U] by a measurement of the sum of the states `measured`.

    Args:
        noise_std: of the measurement.
        noise: [2, N, U], standard normal.
        used: bool [N, U], where there is a measurement.
    """
    row = torch.stack([state[index] for index in measured]).sum(0)
    projected = row[2:]
    variance = torch.stack([projected[index] for index in measured]).sum(0) + noise_std**2
    scale = (used / variance).sqrt()
    scaled = torch.cat([row[:2] - noise_std * noise, projected]) * scale
    return state - scaled[2:, None] * scaled
