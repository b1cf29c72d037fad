"""The sensors by their names.

A sensor is called without arguments and gives a `Sensor`: a class of one's own derived from `MountedSensor` is usual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.registry import Registry
from twin_envs.world.sensing.sensors.protocol import CARRIED, MOUNTED, MountedSensor, Sensor, Sight

sensors: Registry[Callable[[], Sensor]] = Registry(
    "sensors",
    "twin_envs.sensors",
    takes=(),
    gnss="twin_envs.world.sensing.sensors.gnss:Gnss",
    imu="twin_envs.world.sensing.sensors.imu:Imu",
    camera="twin_envs.world.sensing.sensors.camera:Camera",
    radar="twin_envs.world.sensing.sensors.radar:Radar",
)
"""Sensors by name, for the option `sensors`."""
DEFAULT_SENSORS = "gnss+imu"
_BEGINS = "gnss"
_ONES_OWN = ("gnss", "imu")
"""What UEs carry; every other sensor is mounted at the APs."""


def make_sensors(names: str) -> dict[str, Sensor]:
    """The sensors that an option names, such as `"gnss+imu+camera"`, by name; their order does not matter.

    Raises:
        ConfigurationError: one is unknown, is named twice, is no `MountedSensor` that says what it measures, with what
            noise and how often, or `gnss` is missing.
    """
    parts = [part.strip() for part in names.split("+")] if isinstance(names, str) else [names]
    made = {name: _checked(name, sensors.get(name)()) for name in sorted(parts, key=str)}
    if len(made) < len(parts):
        raise ConfigurationError(f"sensors must be named once each, got {names!r}")
    if _BEGINS not in made:
        raise ConfigurationError(
            f"sensors must have 'gnss' among them, whose first fix begins to follow a UE, got {names!r}; "
            f"did you mean 'gnss+{names}'?"
        )
    return made


def _checked(name: str, sensor: object) -> Sensor:
    kind = Sensor if name in _ONES_OWN else MountedSensor
    if not isinstance(sensor, kind):
        raise ConfigurationError(f"sensors: {name!r} must give a {kind.__name__}, got {sensor!r}")
    allowed = CARRIED if name in _ONES_OWN else MOUNTED
    measures = getattr(sensor, "measures", ())
    if not measures or not set(measures) <= set(allowed):
        raise ConfigurationError(f"sensors: {name!r} must measure some of {', '.join(allowed)}, got {measures!r}")
    _check_noise(name, sensor)
    _check_chance(name, sensor)
    return sensor


_DISTANCES_M = (1.0, 30.0, 300.0)
"""About these, a sensor is asked before it is taken."""


def _check_noise(name: str, sensor: Sensor) -> None:
    distance_m = torch.tensor(_DISTANCES_M, dtype=torch.float64)
    said = sensor.std(distance_m, torch.full_like(distance_m, 6.0))
    if not isinstance(said, Mapping) or set(said) != set(sensor.measures):
        quantities = list(said) if isinstance(said, Mapping) else said
        raise ConfigurationError(
            f"sensors: std of {name!r} must tell the noise of {', '.join(sensor.measures)} by name, got {quantities!r}"
        )
    for quantity, std in said.items():
        if not (_of_shape(std, distance_m) and ((std > 0) & std.isfinite()).all()):
            raise ConfigurationError(
                f"sensors: std of {name!r} must give a positive, finite {quantity} of the shape of the distances, "
                f"{list(distance_m.shape)}, got {std!r}"
            )


def _check_chance(name: str, sensor: Sensor) -> None:
    distance_m = torch.tensor(_DISTANCES_M, dtype=torch.float64)
    chance = sensor.chance(
        Sight(
            distance_m=distance_m,
            height_m=torch.full_like(distance_m, 6.0),
            off_axis_rad=torch.zeros_like(distance_m),
            radial_velocity_m_s=torch.ones_like(distance_m),
            line_of_sight=torch.ones(len(distance_m), dtype=torch.bool),
            sky_view=torch.ones_like(distance_m),
        )
    )
    if not (_of_shape(chance, distance_m) and ((chance >= 0) & (chance <= 1)).all()):
        raise ConfigurationError(
            f"sensors: chance of {name!r} must be from 0 to 1, of the shape of what is seen, "
            f"{list(distance_m.shape)}, got {chance!r}"
        )


def _of_shape(value: object, like: torch.Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == like.shape
