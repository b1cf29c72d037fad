"""What every sensor says of itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from twin_envs.base.errors import check_number

CARRIED = ("acceleration", "position", "velocity")
"""What a sensor may measure that the UE carries, in both horizontal axes."""
MOUNTED = ("range", "azimuth", "radial_velocity")
"""What a sensor may measure that is mounted at an AP: all horizontal, about the AP."""
LARGEST_FIELD_RAD = 2 * math.pi


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What decides whether a sensor sees a UE, of any one shape. True, and so privileged.

    Attributes:
        distance_m: horizontal distance of the UE from the AP.
        height_m: of the AP above the UE.
        off_axis_rad: azimuth of the UE about the AP's boresight, 0 to pi.
        radial_velocity_m_s: how fast the UE moves away from the AP.
        line_of_sight: whether nothing is between them, bool.
        sky_view: visible share of the sky at the UE, 0 to 1.
    """

    distance_m: torch.Tensor
    height_m: torch.Tensor
    off_axis_rad: torch.Tensor
    radial_velocity_m_s: torch.Tensor
    line_of_sight: torch.Tensor
    sky_view: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Sensor(ABC):
    """A sensor: what it measures, with what noise, when, and when it misses.

    Attributes:
        measures: what it measures, of `CARRIED` or of `MOUNTED`.
        interval_s: time between measurements; 0 for one that measures all the time.
    """

    measures: ClassVar[tuple[str, ...]]
    interval_s: float = 0.1

    @abstractmethod
    def std(self, distance_m: torch.Tensor, height_m: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Standard deviation of the noise, new in each measurement, of each quantity that it `measures`.

        Args:
            distance_m: horizontal distance from the AP, 1 m or more, of any shape.
            height_m: of the AP above the UE, of the same shape.

        Returns:
            by the quantity's name, in m, m/s, m/s^2 or rad, of that shape.
        """

    @abstractmethod
    def chance(self, sight: Sight) -> torch.Tensor:
        """Probability that a measurement that is due is made, 0 to 1, of the shape that `sight` has."""


@dataclass(frozen=True, kw_only=True)
class MountedSensor(Sensor):
    """A sensor at an AP: not quite where the network believes, not turned quite so, and its clock is not quite right.

    These errors of registration are drawn for each AP's sensor when an episode begins and last as long as it. The
    network does not know them; its filters know how large they may be, and find them out as far as they can.

    Attributes:
        offset_std_m: of where the sensor is, in each axis.
        yaw_std_rad: of the direction in which it points.
        clock_std_s: of the time for which its measurements are.
    """

    offset_std_m: float = 0.2
    yaw_std_rad: float = 0.005
    clock_std_s: float = 0.01

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_number(f"interval_s of {name}", self.interval_s, 0.001, 10.0)
        check_number(f"offset_std_m of {name}", self.offset_std_m, 0.0, 10.0)
        check_number(f"yaw_std_rad of {name}", self.yaw_std_rad, 0.0, 0.5)
        check_number(f"clock_std_s of {name}", self.clock_std_s, 0.0, 1.0)
