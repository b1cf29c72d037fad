"""IMU: how a UE accelerates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import torch

from twin_envs.base.errors import check_number
from twin_envs.world.sensing.sensors.protocol import Sensor, Sight

_RANGES = {
    "interval_s": (0.0, 0.0),
    "bias_m_s2": (0.0, 5.0),
    "bias_walk_m_s2": (0.0, 1.0),
    "velocity_walk_m_s": (0.0, 5.0),
}


@dataclass(frozen=True, kw_only=True)
class Imu(Sensor):
    """An accelerometer and the attitude by which it is turned into the horizontal; it measures all the time.

    Sources of the defaults: the accelerometer's own noise is small (Bosch BMI160 data sheet: 180 ug/sqrt(Hz), which
    makes 0.0018 m/s in a second; offset 40 mg before calibration), but an attitude wrong by 1 degree lets 0.17 m/s^2 of
    gravity in. The bias stands for 0.3 degree that last, the velocity walk for what changes from step to step.

    Attributes:
        bias_m_s2: bias at the start.
        bias_walk_m_s2: change of the bias in 1 s, a random walk.
        velocity_walk_m_s: velocity error that the accelerometer's white noise makes in 1 s, a random walk.

    Raises:
        ConfigurationError: if a field is out of range.
    """

    measures: ClassVar[tuple[str, ...]] = ("acceleration",)
    interval_s: float = 0.0
    bias_m_s2: float = 0.05
    bias_walk_m_s2: float = 0.005
    velocity_walk_m_s: float = 0.05

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(f"{field.name} of Imu", getattr(self, field.name), *_RANGES[field.name])

    def std(self, distance_m: torch.Tensor, height_m: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """See `Sensor.std`: of the mean over 1 s; the bias is none of the noise."""
        return {"acceleration": torch.full_like(distance_m, self.velocity_walk_m_s)}

    def chance(self, sight: Sight) -> torch.Tensor:
        """See `Sensor.chance`: always 1."""
        return torch.ones_like(sight.sky_view)
