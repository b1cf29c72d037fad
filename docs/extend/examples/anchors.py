"""A sensor of one's own: radio anchors at the APs that measure distances only, through anything."""

from dataclasses import dataclass

import torch

import twin_envs
from twin_envs.world.sensing.sensors.protocol import MountedSensor


@dataclass(frozen=True, kw_only=True)
class Anchors(MountedSensor):
    """Ultra-wideband ranging, once in 50 ms."""

    measures = ("range",)
    interval_s: float = 0.05
    yaw_std_rad: float = 0.0  # a distance has no direction
    noise_m: float = 0.3
    reach_m: float = 60.0

    def std(self, distance_m, height_m):
        """The noise of each quantity that is measured."""
        return {"range": torch.full_like(distance_m, self.noise_m)}

    def chance(self, sight):
        """How likely a measurement that is due is made."""
        return (sight.distance_m <= self.reach_m).double()


if __name__ == "__main__":
    from twin_envs.agents.core.environments import make_envs

    for sensors in ("gnss+imu", "gnss+imu+anchors:Anchors"):
        envs = make_envs("ApAssociation", 4, sensors=sensors, num_ue=4, episode_slots=1000)
        envs.reset(seed=0)
        for _ in range(20):
            envs.step(envs.action_space.sample() * 0)
        print(sensors, f": {envs.network.sensing.position_std_m.mean():.2f} m")
    print(twin_envs.sensors.names())
