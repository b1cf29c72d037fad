"""The sensors by their names.

A sensor is called without arguments and gives a `Sensor`: a class of one's own derived from `MountedSensor` is usual.
"""

from __future__ import annotations

from collections.abc import Callable

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.registry import Registry
from twin_envs.world.sensing.sensors.protocol import CARRIED, MOUNTED, MountedSensor, Sensor

sensors: Registry[Callable[[], Sensor]] = Registry(
    "sensors",
    "twin_envs.sensors",
    takes=(),
    gnss="twin_envs.world.sensing.sensors.gnss:Gnss",
    imu="twin_envs.world.sensing.sensors.imu:Imu",
    camera="twin_envs.world.sensing.sensors.camera:Camera",
    radar="twin_envs.world.sensing.sensors.radar:Radar",
)
DEFAULT_SENSORS = "gnss+imu"
_BEGINS = "gnss"
_ONES_OWN = ("gnss", "imu")
"""What UEs carry; every other sensor is mounted at the APs."""


def make_sensors(names: str) -> dict[str, Sensor]:
    """The sensors that an option names, such as `"gnss+imu+camera"`, by name; their order does not matter.

    Raises:
        ConfigurationError: one is unknown, is named twice or is no `MountedSensor` that says what it measures, or
            `gnss` is missing.
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
    return sensor
