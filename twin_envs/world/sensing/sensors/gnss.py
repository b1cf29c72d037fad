"""GNSS: where a UE is, with an error of which most lasts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import torch

from twin_envs.base.errors import check_number
from twin_envs.world.sensing.sensors.protocol import Sensor, Sight

_RANGES = {
    "interval_s": (0.01, 10.0),
    "bias_m": (0.0, 100.0),
    "bias_time_s": (1.0, 3600.0),
    "noise_m": (0.01, 100.0),
    "velocity_noise_m_s": (0.01, 10.0),
    "least_sky_view": (0.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Gnss(Sensor):
    """A receiver in the UE. Standard deviations are of one horizontal axis.

    Sources of the defaults: smartphones in the open are good to 4.9 m (van Diggelen and Enge, "The world's first GPS
    MOOC and worldwide laboratory using smartphones", 2015), a u-blox M8 receiver to 2.5 m for half of its fixes (data
    sheet), which is 2.1 m in one axis. A phone gives a fix once a second, which is also such a receiver's default
    (u-blox 8 / M8 receiver description, UBX-CFG-RATE). Most of it is multipath and atmosphere and lasts for tens of
    seconds.

    Attributes:
        interval_s: time between fixes. With one fix in 0.1 s the velocity would be known to 0.055 m/s in the
            open instead of 0.10 m/s; the position, whose error lasts, to the same 2.5 m.
        bias_m: slowly varying part of the position error (first-order Gauss-Markov).
        bias_time_s: its correlation time.
        noise_m: part of the position error that is new at every fix.
        velocity_noise_m_s: error of the velocity from Doppler, new at every fix.
        least_sky_view: no fix where less of the sky hemisphere is visible. A phone in the open uses about 28 satellites
            of four constellations; the default leaves 7 of them, which 3 coordinates and 4 clocks need.

    Raises:
        ConfigurationError: if a field is out of range.
    """

    measures: ClassVar[tuple[str, ...]] = ("position", "velocity")
    interval_s: float = 1.0
    bias_m: float = 2.5
    bias_time_s: float = 60.0
    noise_m: float = 0.5
    velocity_noise_m_s: float = 0.15
    least_sky_view: float = 0.25

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(f"{field.name} of Gnss", getattr(self, field.name), *_RANGES[field.name])

    @property
    def position_std_m(self) -> float:
        """Standard deviation of a single fix in one axis."""
        return math.hypot(self.bias_m, self.noise_m)

    def std(self, distance_m: torch.Tensor, height_m: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """See `Sensor.std`; the bias is none of the noise."""
        return {
            "position": torch.full_like(distance_m, self.noise_m),
            "velocity": torch.full_like(distance_m, self.velocity_noise_m_s),
        }

    def chance(self, sight: Sight) -> torch.Tensor:
        """See `Sensor.chance`: 1 where enough of the sky is visible."""
        return (sight.sky_view >= self.least_sky_view).to(sight.sky_view.dtype)
