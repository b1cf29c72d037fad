"""GNSS and IMU, fused by a Kalman filter for each UE.

Both horizontal axes have the same statistics, so one 4 x 4 covariance serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.state import TensorState, tensor
from twin_envs.base.streams import Streams
from twin_envs.world.sensing.estimates import Estimates
from twin_envs.world.sensing.model import NOISES, STATES, ErrorModel, mix
from twin_envs.world.sensing.protocol import Sensing, due, normals
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu
from twin_envs.world.sensing.sky_view import SkyView


@dataclass(kw_only=True)
class Filters(TensorState):
    """What the network does not know: the errors of its estimates, beside their covariance. Privileged.

    Attributes:
        values: float64 [state, column, B, U]. Columns 0 and 1 are the errors of x and y, the other four the
            covariance: the same linear maps move both. float64: within a slot of 0.5 ms variances change by less than
            a float32 can hold.
        since_fix_s: time since the last fix, float64 [B, U].
    """

    values: torch.Tensor = tensor(STATES, 2 + STATES, "env", "ue", dtype=torch.float64)
    since_fix_s: torch.Tensor = tensor("env", "ue", dtype=torch.float64)


class AxisSensing(Sensing):
    """What follows UEs by GNSS and IMU.

    Args:
        gnss, imu: the sensors.
        num_envs: B.
        num_ue: U.
        sky_view: where GNSS works.
        device: where the filters run.
    """

    def __init__(
        self,
        gnss: Gnss,
        imu: Imu,
        num_envs: int,
        num_ue: int,
        sky_view: SkyView,
        device: torch.device | str = "cpu",
    ) -> None:
        self.gnss, self.imu = gnss, imu
        self.sky_view = sky_view
        self.estimates = Estimates.create(num_envs, device, ue=num_ue)
        self.state: Filters = Filters.create(num_envs, device, ue=num_ue)
        self._model = ErrorModel(gnss, imu, device)

    @property
    def covariance(self) -> torch.Tensor:
        """Covariance of the errors in one axis (both have the same), float64 [B, U, 4, 4].

        Order: position [m], velocity [m/s], accelerometer bias [m/s^2], GNSS bias [m]. A view: `advance` changes it.
        """
        return self.state.values[:, 2:].permute(2, 3, 0, 1)

    @property
    def motion_covariance(self) -> torch.Tensor:
        """See `Sensing.motion_covariance`."""
        axis = self.covariance[..., :2, :2]
        both = axis[..., :, None, :, None] * torch.eye(2, dtype=axis.dtype, device=axis.device)[:, None]
        return both.flatten(-4, -3).flatten(-2, -1)

    def start(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor, streams: Streams) -> None:
        """See `Sensing.start`."""
        first = self._model.first
        noise = normals(streams, rows, STATES, position.shape[1])
        self.state.values[:, :2, rows] = mix(first[..., None], noise)
        self.state.values[:, 2:, rows] = (first @ first.mT)[..., None, None]
        self.state.since_fix_s[rows] = streams.uniform(rows, position.shape[1]).double() * self.gnss.interval_s
        self._estimate(rows, position, velocity)

    def advance(
        self,
        rows: torch.Tensor,
        elapsed_s: torch.Tensor,
        position: torch.Tensor,
        velocity: torch.Tensor,
        streams: Streams,
    ) -> None:
        """See `Sensing.advance`."""
        elapsed, gnss = elapsed_s.double(), self.gnss
        noise = normals(streams, rows, NOISES + 2, position.shape[1])
        state = self._predict(self.state.values[:, :, rows], elapsed, noise[:NOISES])
        since, fixed = due(self.state.since_fix_s[rows], elapsed[:, None], gnss.interval_s)
        self.state.since_fix_s[rows] = since
        fixed = fixed & (self.sky_view.at(position) >= gnss.least_sky_view)
        state = _measure(state, (0, 3), gnss.noise_m, noise[-2], fixed)
        self.state.values[:, :, rows] = _measure(state, (1,), gnss.velocity_noise_m_s, noise[-1], fixed)
        self._estimate(rows, position, velocity)

    def _predict(self, state: torch.Tensor, elapsed: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Filters [4, 6, N, U] after `elapsed` [N] without a fix."""
        gain = self._model.gains(elapsed)
        state = self._model.carry(state, elapsed)
        error = state[:, :2] + mix(gain, noise)
        covariance = self._model.carry(state[:, 2:].transpose(0, 1), elapsed)
        return torch.cat([error, covariance + (gain[:, None] * gain).sum(2)[..., None]], dim=1)

    def _estimate(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor) -> None:
        values, estimates = self.state.values[:, :, rows], self.estimates
        error = values[:2, :2].permute(0, 2, 3, 1).float()
        estimates.position[rows], estimates.velocity[rows] = position + error[0], velocity + error[1]
        estimates.position_std_m[rows] = values[0, 2].sqrt().float()
        estimates.velocity_std_m_s[rows] = values[1, 3].sqrt().float()


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
