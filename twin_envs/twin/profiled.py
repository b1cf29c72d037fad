"""The angle-delay profile that knowledge implies: paths for a twin that knows gains, angles and spreads alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, cast

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import db_to_linear
from twin_envs.twin.arrays import Arrays, arrays_of
from twin_envs.twin.error import TwinError
from twin_envs.twin.knowledge import Knowledge, SensedState
from twin_envs.twin.measurements import Measurements
from twin_envs.twin.protocol import ArrivingPaths, Beams, ChannelTwin, ExpectedPaths, LearnsError, LearnsKnowledge
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site

SCATTERED = 16
"""Paths that stand for all that does not come straight."""
_LATER, _TURNED = 7, 5
"""The i-th path by departure is the 7 i-th by delay and the 5 i-th by arrival: so the three hardly go together."""


@dataclass(frozen=True, kw_only=True)
class Profile(Constant):
    """Paths of N links, the straight one first.

    Attributes:
        direction: of departure, float32 [N, P, 3], unit vectors.
        arrival: of propagation at the UE, float32 [N, P, 3].
        delay_s: after the first path, float32 [N, P].
        power: float32 [N, P]; 0 where nothing is known.
        distance_m: of the straight line, float32 [N]; 0 where nothing is known.
        line_of_sight: bool [N].
    """

    direction: torch.Tensor
    arrival: torch.Tensor
    delay_s: torch.Tensor
    power: torch.Tensor
    distance_m: torch.Tensor
    line_of_sight: torch.Tensor


class ProfiledTwin(Constant):
    """A channel twin that has knowledge, and the paths that follow from it.

    The straight path has the share of the power that the K-factor says. What else arrives is spread normally in both
    azimuths and exponentially in delay, as in the statistical channels of TR 38.901, 7.5, such that gain, delay
    spread, mean azimuths and their spreads of all paths together are what is known. `SCATTERED` paths of equal power
    stand for it, at the elevation of the straight line. Nobody knows their phases: there are powers of delays,
    directions and beams, and no channels.

    Args:
        twin: what has the knowledge.
        geometry: of the site.
        arrays: of its access points.
        boresight_rad: azimuth of each AP [A].

    Attributes:
        known_by: the twin that has the knowledge.
    """

    def __init__(self, twin: ChannelTwin, geometry: Geometry, arrays: Arrays, boresight_rad: torch.Tensor) -> None:
        self.known_by, self._geometry, self._arrays = twin, geometry, arrays
        device = geometry.point_m.device
        self._boresight_rad = boresight_rad.to(device)
        number = torch.arange(SCATTERED, device=device)
        quantile = (number + 0.5) / SCATTERED
        normal = torch.special.ndtri(quantile)
        self._normal = normal / normal.square().mean().sqrt()
        self._late = -torch.log1p(-quantile)[number * _LATER % SCATTERED]
        self._arriving = number * _TURNED % SCATTERED

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N] (see `Knowledge`)."""
        return self.known_by.predict(sensed, ap)

    def knowing(self, error: TwinError) -> Self:
        """The same twin, which knows how wrong it is; see `LearnsError`."""
        return self._of(cast(LearnsError, self.known_by).knowing(error))

    def expected_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ExpectedPaths:
        """Paths that the twin expects at `position_m` [N, 3], for estimating the channel to `ap` int64 [N]."""
        return self.arriving_paths(position_m, ap)

    def arriving_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ArrivingPaths:
        """The same, with how the paths arrive: see `ExpectsArrivals`."""
        profile = self.profile(position_m, ap)
        cycles = profile.direction @ self._arrays.steps()[ap]
        return ArrivingPaths(
            delay_s=profile.delay_s,
            column_cycles=cycles[..., 1],
            row_cycles=cycles[..., 0],
            power=profile.power,
            distance_m=profile.distance_m,
            arrival=profile.arrival,
        )

    def beam_power(
        self, position_m: torch.Tensor, ap: torch.Tensor, beams: Beams, yaw_error_rad: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Power gain of every beam, float32 [N, K], and line of sight, bool [N]; see `GivesBeamPower`."""
        profile = self.profile(position_m, ap)
        cycles = (profile.direction @ self._arrays.steps(yaw_error_rad)[ap]).flatten(0, 1)
        response = beams.response(cycles[:, 0], cycles[:, 1]).unflatten(0, profile.power.shape)
        return (profile.power[:, None] @ response)[:, 0], profile.line_of_sight

    def profile(self, position_m: torch.Tensor, ap: torch.Tensor) -> Profile:
        """The paths of links to access points `ap` int64 [N] of UEs at `position_m` [N, 3]."""
        known = self.known_by.predict(_standing(position_m), ap)
        there, sight = known.covered > 0, known["los_probability"] >= 0.5
        way_m = position_m - self._geometry.ap_position_m[ap]
        away_m = way_m.norm(dim=-1).clamp_min(1e-3)
        straight = way_m / away_m[:, None]
        straight_rad = torch.atan2(straight[:, 1], straight[:, 0])
        direct = torch.where(there, db_to_linear(known["k_factor_db"]), 0.0)
        share = direct / (1 + direct)
        leaving, arriving = (
            _scattered(mean_rad, known[f"{end}_spread_rad"], straight_rad + turn, share)
            for end, mean_rad, turn in (
                ("departure", known["departure_azimuth_rad"] + self._boresight_rad[ap], 0.0),
                ("arrival", known["arrival_azimuth_rad"], torch.pi),
            )
        )
        leaving_rad = leaving[0][:, None] + leaving[1][:, None] * self._normal
        arriving_rad = arriving[0][:, None] + arriving[1][:, None] * self._normal[self._arriving] + torch.pi
        late_s = _mean_delay_s(known["delay_spread_s"], share, self._late)[:, None] * self._late
        power = torch.where(there, db_to_linear(known["gain_db"]), 0.0)[:, None]
        rest = ((1 - share) / SCATTERED)[:, None].expand(-1, SCATTERED)
        return Profile(
            direction=torch.cat([straight[:, None], _directions(leaving_rad, straight[:, 2])], 1),
            arrival=torch.cat([straight[:, None], _directions(arriving_rad, straight[:, 2])], 1),
            delay_s=torch.cat([torch.zeros_like(late_s[:, :1]), late_s], 1),
            power=power * torch.cat([share[:, None], rest], 1),
            distance_m=torch.where(there, away_m, 0.0),
            line_of_sight=there & sight,
        )

    def _of(self, twin: ChannelTwin) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self), known_by=twin)
        return other


class LearningProfiledTwin(ProfiledTwin):
    """The same of a twin that learns its knowledge."""

    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        return self._of(cast(LearnsKnowledge, self.known_by).learning(measured))


def profiled(twin: ChannelTwin, site: Site) -> ProfiledTwin:
    """A twin of a site that has knowledge, with the paths that follow from it.

    Args:
        twin: has `LearnsError`, and `LearnsKnowledge` if it learns.
        site: whose it is.
    """
    recipe = site.recipe
    boresight_rad = torch.tensor([ap.yaw_rad for ap in recipe.access_points])
    kind = LearningProfiledTwin if isinstance(twin, LearnsKnowledge) else ProfiledTwin
    return kind(twin, site.geometry, arrays_of(recipe, site.device), boresight_rad)


def _standing(position_m: torch.Tensor) -> SensedState:
    """UEs that stand at `position_m` [N, 3], exactly known."""
    nothing = torch.zeros(len(position_m), device=position_m.device)
    still = torch.zeros_like(position_m[:, :2])
    return SensedState(
        position_m=position_m[:, :2], velocity_m_s=still, position_std_m=nothing, velocity_std_m_s=nothing
    )


def _scattered(
    mean_rad: torch.Tensor, spread_rad: torch.Tensor, direct_rad: torch.Tensor, share: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean azimuth and circular standard deviation of what is not direct [N] each.

    Args:
        mean_rad, spread_rad: of all [N].
        direct_rad: azimuth of what is direct [N].
        share: of it in the power [N].
    """
    total = torch.polar((-spread_rad.square() / 2).exp(), mean_rad)
    rest = (total - torch.polar(share, direct_rad)) / (1 - share)
    return rest.angle(), (-2 * rest.abs().clamp(1e-3, 1.0).log()).sqrt()


def _mean_delay_s(spread_s: torch.Tensor, share: torch.Tensor, late: torch.Tensor) -> torch.Tensor:
    """What a delay of 1 in `late` [S] stands for, such that all have the delay spread `spread_s` [N]."""
    rest = 1 - share
    variance = rest * late.square().mean() - (rest * late.mean()).square()
    return spread_s / variance.sqrt()


def _directions(azimuth_rad: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Unit vectors [N, S, 3] of azimuths [N, S] and the sine of the elevation [N]."""
    level = (1 - sine.square()).clamp_min(0.0).sqrt()[:, None]
    up = sine[:, None].expand_as(azimuth_rad)
    return torch.stack([level * azimuth_rad.cos(), level * azimuth_rad.sin(), up], -1)
