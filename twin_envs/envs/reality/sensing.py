"""Sensing in the world in which the UEs live. Privileged."""

from __future__ import annotations

import torch

from twin_envs.world.sensing.by_axis import AxisSensing
from twin_envs.world.sensing.joint import JointSensing
from twin_envs.world.sensing.mounting import Mounting
from twin_envs.world.sensing.protocol import Sensing
from twin_envs.world.sensing.registry import make_sensors
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu
from twin_envs.world.sensing.sensors.protocol import MountedSensor
from twin_envs.world.store.site import Site


def make_sensing(
    site: Site, world: str, sensors: str, gnss: Gnss, num_envs: int, num_ue: int, device: torch.device
) -> Sensing:
    """What follows UEs at a site by `sensors`, such as `"gnss+imu"`.

    GNSS and IMU alone have the filter that needs least.

    Args:
        site: where they are.
        world: in which they live: what it has in the way of a camera, it has in reality.
        sensors: names, see `make_sensors`.
        gnss: quality of the UEs' receivers.
        num_envs, num_ue: B and U.
        device: where the filters run.
    """
    made = make_sensors(sensors).values()
    imu = next((sensor for sensor in made if isinstance(sensor, Imu)), None)
    mounted = [sensor for sensor in made if isinstance(sensor, MountedSensor)]
    if imu is not None and not mounted:
        return AxisSensing(gnss, imu, num_envs, num_ue, site.sky_view, device)
    yaw_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points], device=device)
    mounting = Mounting(site.geometry, yaw_rad, site.reality(world).line_of_sight, site.sky_view)
    return JointSensing(gnss, imu, mounted, num_envs, num_ue, mounting, device)
