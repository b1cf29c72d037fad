"""Radar: how far a UE is from an AP, in which direction, and how fast it comes nearer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from twin_envs.base.errors import check_number
from twin_envs.world.sensing.sensors.protocol import LARGEST_FIELD_RAD, MountedSensor, Sight


@dataclass(frozen=True, kw_only=True)
class Radar(MountedSensor):
    """A monostatic radar at an AP, with a band and an array of its own: it takes nothing of the carrier.

    An echo fluctuates from scan to scan as Swerling's case 1 has it, so with a probability of false alarm P and a mean
    signal-to-noise ratio S it is detected with probability P^(1 / (1 + S)) (Swerling, "Probability of detection for
    fluctuating targets", 1960). S falls with the fourth power of the distance. What hardly moves toward the radar or
    away from it is lost in what stands still around it.

    Defaults: 100 MHz resolve c / (2 x 100 MHz) = 1.5 m, of which a third is left of a single echo; its sixteen columns
    half a wavelength apart resolve some 7 degrees, of which a seventh. 50 ms of an echo at 3.5 GHz resolve 0.9 m/s.

    Attributes:
        field_rad: width of the field of view in azimuth.
        reach_m: horizontal distance at which nine echoes in ten of a UE are detected.
        nearest_m: nearer than this, the echo comes while the array still sends.
        false_alarm: probability that noise alone is taken for an echo, which sets the threshold. Such echoes, which
            come from nowhere, are taken to be sorted out before the filter.
        least_speed_m_s: with less radial velocity, a UE is not told from what stands still.
        range_noise_m: along the ray; of the horizontal distance it is larger where the ray is steep.
        azimuth_noise_rad, radial_velocity_noise_m_s: of the others.

    Raises:
        ConfigurationError: if a field is out of range.
    """

    measures: ClassVar[tuple[str, ...]] = ("range", "azimuth", "radial_velocity")
    field_rad: float = 2.1
    reach_m: float = 100.0
    nearest_m: float = 5.0
    false_alarm: float = 1e-6
    least_speed_m_s: float = 0.3
    range_noise_m: float = 0.5
    azimuth_noise_rad: float = 0.0175
    radial_velocity_noise_m_s: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("field_rad of Radar", self.field_rad, 0.1, LARGEST_FIELD_RAD)
        check_number("nearest_m of Radar", self.nearest_m, 1.0, 100.0)
        check_number("reach_m of Radar", self.reach_m, self.nearest_m, 10_000.0)
        check_number("false_alarm of Radar", self.false_alarm, 1e-12, 0.1)
        check_number("least_speed_m_s of Radar", self.least_speed_m_s, 0.0, 10.0)
        check_number("range_noise_m of Radar", self.range_noise_m, 0.001, 100.0)
        check_number("azimuth_noise_rad of Radar", self.azimuth_noise_rad, 1e-5, 0.1)
        check_number("radial_velocity_noise_m_s of Radar", self.radial_velocity_noise_m_s, 0.001, 10.0)

    def std(self, distance_m: torch.Tensor, height_m: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """See `Sensor.std`."""
        steep = torch.hypot(distance_m, height_m) / distance_m
        return {
            "range": self.range_noise_m * steep,
            "azimuth": torch.full_like(distance_m, self.azimuth_noise_rad),
            "radial_velocity": self.radial_velocity_noise_m_s * steep,
        }

    def chance(self, sight: Sight) -> torch.Tensor:
        """See `Sensor.chance`."""
        at_reach = math.log(self.false_alarm) / math.log(_AT_REACH) - 1.0
        snr = at_reach * (self.reach_m / torch.hypot(sight.distance_m, sight.height_m)).pow(4)
        detected = torch.exp(math.log(self.false_alarm) / (1.0 + snr))
        seen = (sight.off_axis_rad <= 0.5 * self.field_rad) & sight.line_of_sight
        seen = seen & (sight.distance_m >= self.nearest_m)
        seen = seen & (sight.radial_velocity_m_s.abs() >= self.least_speed_m_s)
        return detected * seen


_AT_REACH = 0.9
