"""What is known of a site before anything is traced or measured: its map, its access points and the ways between."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.twin.surroundings.corners import Corners, corners_of
from twin_envs.twin.surroundings.profile import Profile, profile
from twin_envs.twin.surroundings.skyline import Skyline, skyline_of
from twin_envs.twin.surroundings.ways import Ways, ways_round
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.recipe import SiteRecipe
from twin_envs.world.store.site import Site, kept_by_site

_CORNER_M = 3.0
"""Height above the ground at which an AP sees a corner or does not."""
_BARELY_M = 1.0
"""A corner is seen past what blocks no more: it stands against a wall."""


@dataclass(frozen=True, kw_only=True)
class Town(Constant):
    """The map of a site, as its twin has it, A access points, K corners of buildings and C grid points.

    Attributes:
        geometry: of the site.
        recipe: of the site, for its access points.
        skyline: what stands where, and how high.
        corners: of buildings.
        corner_m: where a wave goes round each corner, float32 [K, 3].
        ap_sees: which corners each access point sees, bool [A, K].
        ways: from access points to grid points, round corners.
    """

    geometry: Geometry
    recipe: SiteRecipe
    skyline: Skyline
    corners: Corners
    corner_m: torch.Tensor
    ap_sees: torch.Tensor
    ways: Ways

    @property
    def boresight_rad(self) -> torch.Tensor:
        """Azimuth of each access point [A]."""
        yaws = [ap.yaw_rad for ap in self.recipe.access_points]
        return torch.tensor(yaws, device=self.geometry.point_m.device)

    def lines(self, ap: int, to_m: torch.Tensor) -> Profile:
        """The profile of the straight lines from an access point to places [N, 3]."""
        return _lines(self.skyline, self.geometry, ap, to_m)


def town_in(geometry: Geometry, recipe: SiteRecipe, skyline: Skyline) -> Town:
    """The town of a skyline."""
    corners, ap_m = corners_of(skyline), geometry.ap_position_m
    corner_m = geometry.ground.place(corners.place_m).float()
    corner_m[:, 2] += _CORNER_M - geometry.ground.ue_height_m
    blocked = [_lines(skyline, geometry, ap, corner_m).blocked_m for ap in range(len(ap_m))]
    ap_sees = torch.stack(blocked) <= _BARELY_M
    return Town(
        geometry=geometry,
        recipe=recipe,
        skyline=skyline,
        corners=corners,
        corner_m=corner_m,
        ap_sees=ap_sees,
        ways=ways_round(corners, ap_m[:, :2], ap_sees, geometry.point_m[:, :2]),
    )


@kept_by_site
def town_of(site: Site) -> Town:
    """The town of a site, from its map alone; of each site it is made once."""
    return town_in(site.geometry, site.recipe, skyline_of(site))


def _lines(skyline: Skyline, geometry: Geometry, ap: int, to_m: torch.Tensor) -> Profile:
    from_m = geometry.ap_position_m[ap].expand(len(to_m), -1)
    return profile(skyline, from_m, to_m, SPEED_OF_LIGHT / geometry.carrier_hz)
