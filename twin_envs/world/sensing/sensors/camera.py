"""Camera: in which direction a UE is seen from an AP, and how far down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from twin_envs.base.errors import check_number
from twin_envs.world.sensing.sensors.protocol import LARGEST_FIELD_RAD, MountedSensor, Sight


@dataclass(frozen=True, kw_only=True)
class Camera(MountedSensor):
    """A camera at an AP, which looks where the AP's array does.

    It sees two angles, each with the same noise. The azimuth is one. The other is by how much the UE is below the
    horizon, or over it, atan(height / distance); on known ground it gives the distance, with

        std of the distance = std of the angle x (distance^2 + height^2) / |height|,

    so the camera is accurate close by and hardly tells distances far away.

    Defaults: 1920 pixels over 120 degrees are 1.1 mrad each, and the box round a detected person is good to some four
    of them. Ten frames in a second are looked at. One person in ten is missed, as by the detectors that Zhang,
    Benenson, Omran, Hosang and Schiele compare ("How far are we from solving pedestrian detection?", 2016).

    Attributes:
        field_rad: width of the field of view in azimuth.
        reach_m: beyond this horizontal distance nobody is detected.
        nearest_m: nearer than this, a UE is below the picture.
        miss: share of frames in which a UE in sight is not detected.
        angle_noise_rad: of both angles, new in each frame.

    Raises:
        ConfigurationError: if a field is out of range.
    """

    measures: ClassVar[tuple[str, ...]] = ("range", "azimuth")
    field_rad: float = 2.1
    reach_m: float = 80.0
    nearest_m: float = 3.0
    miss: float = 0.1
    angle_noise_rad: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("field_rad of Camera", self.field_rad, 0.1, LARGEST_FIELD_RAD)
        check_number("nearest_m of Camera", self.nearest_m, 1.0, 100.0)
        check_number("reach_m of Camera", self.reach_m, self.nearest_m, 1000.0)
        check_number("miss of Camera", self.miss, 0.0, 1.0)
        check_number("angle_noise_rad of Camera", self.angle_noise_rad, 1e-5, 0.1)

    def std(self, distance_m: torch.Tensor, height_m: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """See `Sensor.std`. A UE above the AP is as far over the horizon as another is below it.

        Heights that differ by less than 1 m are taken to differ by 1 m.
        """
        height_m = height_m.abs().clamp_min(1.0)
        return {
            "range": self.angle_noise_rad * (distance_m.square() + height_m.square()) / height_m,
            "azimuth": torch.full_like(distance_m, self.angle_noise_rad),
        }

    def chance(self, sight: Sight) -> torch.Tensor:
        """See `Sensor.chance`: within the field of view and reach, in line of sight, all but those missed."""
        seen = (sight.off_axis_rad <= 0.5 * self.field_rad) & sight.line_of_sight
        seen = seen & (sight.distance_m >= self.nearest_m) & (sight.distance_m <= self.reach_m)
        return (1.0 - self.miss) * seen.to(sight.distance_m.dtype)
