"""Where sensors are mounted, and what stands between them and the UEs."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.sensing.sensors.protocol import Sight
from twin_envs.world.sensing.sky_view import SkyView


class Mounting(Constant):
    """The APs of a site as places of sensors, in the world in which the UEs live. Privileged.

    Args:
        geometry: of the site; sensors are where its A APs are.
        yaw_rad: boresight of each AP, counter-clockwise from x [A].
        line_of_sight: which AP sees which grid point in that world, bool [A, C].
        sky_view: where GNSS works.

    Attributes:
        ap_m: (x, y) of the APs, float64 [A, 2].
        sky_view: as given.
    """

    def __init__(
        self, geometry: Geometry, yaw_rad: torch.Tensor, line_of_sight: torch.Tensor, sky_view: SkyView
    ) -> None:
        self.ap_m = geometry.ap_position_m[:, :2].double()
        self.sky_view = sky_view
        self._geometry, self._line_of_sight = geometry, line_of_sight
        self._height_m = geometry.ap_position_m[:, 2].double()
        self._yaw_rad = yaw_rad.to(self.ap_m)

    def height_m(self, ap: torch.Tensor, position_m: torch.Tensor) -> torch.Tensor:
        """How high AP `ap` [M] is above UEs at `position_m` [M, 2], by the map, float64 [M]."""
        return self._height_m[ap] - self._geometry.ground.place(position_m)[..., 2]

    def sight(self, ap: torch.Tensor, position_m: torch.Tensor, velocity_m_s: torch.Tensor) -> Sight:
        """How AP `ap` [M] truly sees UEs that are at `position_m` and move at `velocity_m_s`, float64 [M, 2]."""
        away = position_m - self.ap_m[ap]
        distance = away.norm(dim=-1).clamp_min(1.0)
        off = torch.atan2(away[:, 1], away[:, 0]) - self._yaw_rad[ap]
        cell = self._geometry.cell(position_m)
        return Sight(
            distance_m=distance,
            height_m=self.height_m(ap, position_m),
            off_axis_rad=torch.atan2(off.sin(), off.cos()).abs(),
            radial_velocity_m_s=(away * velocity_m_s).sum(-1) / distance,
            line_of_sight=self._line_of_sight[ap, cell.clamp_min(0)] & (cell >= 0),
            sky_view=self.sky_view.at(position_m).double(),
        )
