"""The channel twin that a ray-traced twin world is."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import check_choice
from twin_envs.base.rows import Rows
from twin_envs.base.settings import lasting
from twin_envs.base.units import SPEED_OF_LIGHT, linear_to_db
from twin_envs.twin.arrays import Arrays
from twin_envs.twin.error import TwinError
from twin_envs.twin.knowledge import (
    K_FACTOR_RANGE_DB,
    KNOWLEDGE_FIELDS,
    LONGEST_COHERENCE_S,
    STATIC_FIELDS,
    Knowledge,
    SensedState,
    coherence_time_s,
    doppler_spread_hz,
)
from twin_envs.twin.protocol import ArrivingPaths, Beams, ExpectedPaths
from twin_envs.twin.quadrature import Ring, about_mean
from twin_envs.world.atlas.atlas import Atlas, LocalPaths, PackedPaths
from twin_envs.world.store.site import Site, kept_by_site

_CHUNK = 512
"""Links whose beams are computed at once: what they need stays in a processor's cache."""
_COHERENCE = list(KNOWLEDGE_FIELDS).index("coherence_time_s")


def static_knowledge(
    paths: PackedPaths, per_link: Callable[[torch.Tensor], torch.Tensor], boresight_rad: torch.Tensor
) -> torch.Tensor:
    """What the paths of links say without a velocity: the first fields of `Knowledge`, float32 [links, 8].

    Args:
        paths: of all links.
        per_link: sums values, one for each path, over the paths of each link.
        boresight_rad: azimuth of each link's AP [links].
    """
    total = per_link(paths.power)
    weight = paths.power / total.clamp_min(1e-30)[paths.link]
    delay_s = paths.length_m / SPEED_OF_LIGHT
    mean_delay_s = per_link(weight * delay_s)
    delay_spread_s = per_link(weight * (delay_s - mean_delay_s[paths.link]).square()).sqrt()
    departure = torch.atan2(paths.departure[:, 1], paths.departure[:, 0]) - boresight_rad[paths.link]
    arrival = torch.atan2(-paths.arrival[:, 1], -paths.arrival[:, 0])

    def circular(angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = per_link(weight * angle.cos()), per_link(weight * angle.sin())
        length = torch.hypot(x, y).clamp(1e-6, 1.0)
        return torch.atan2(y, x), (-2 * length.log()).sqrt()

    angles = [*circular(departure), *circular(arrival)]
    direct = per_link(paths.power * paths.line_of_sight)
    k_factor_db = linear_to_db(direct / (total - direct).clamp_min(1e-30)).clamp(*K_FACTOR_RANGE_DB)
    return torch.stack([linear_to_db(total), (direct > 0).float(), delay_spread_s, *angles, k_factor_db], -1)


def complete_knowledge(static: torch.Tensor, power: torch.Tensor, doppler_hz: torch.Tensor) -> torch.Tensor:
    """All fields of `Knowledge` [..., fields], from those that depend on the place alone [..., 8] and the Doppler
    shifts [..., P] of paths with `power` [..., P]."""
    delay_spread_s = static[..., STATIC_FIELDS.index("delay_spread_s")]
    bandwidth_hz = (1 / (2 * math.pi * delay_spread_s.clamp_min(1e-10))).clamp_max(1e9)
    moving = (doppler_spread_hz(power, doppler_hz), coherence_time_s(power, doppler_hz), bandwidth_hz)
    return torch.cat([static, torch.stack(moving, -1)], -1)


class TracedTwin(Constant):
    """Knowledge from the traced paths of a twin world.

    What depends on the place alone is summed over paths once, at every grid point. Asking is then a look-up at seven
    points of the distribution of position and velocity, and what the velocity makes of the paths there.

    Args:
        atlas: of the twin world.
        boresight_rad: azimuth of each AP [A].
        columns: antenna columns of the APs.
        error: how wrong the twin has turned out to be, where that has been measured.
    """

    def __init__(self, atlas: Atlas, boresight_rad: torch.Tensor, columns: int, error: TwinError | None = None) -> None:
        self.atlas, self._error = atlas, error
        self._wavelength_m = SPEED_OF_LIGHT / atlas.geometry.carrier_hz
        self._arrays = Arrays(atlas.antenna_m, columns, atlas.geometry.carrier_hz)
        static, seen = Rows(), Rows()
        for ap, boresight in enumerate(boresight_rad.to(atlas.device)):
            paths = atlas.packed_paths(ap)
            static.append(
                static_knowledge(paths, partial(atlas.per_link, ap=ap), boresight.expand(len(atlas.geometry.point_m)))
            )
            seen.append(torch.stack([paths.power, *(paths.arrival[:, :2] / self._wavelength_m).unbind(-1)], -1))
        seen.append(torch.zeros(1, 3))  # an unused path
        self._static, self._seen = static.tensor(atlas.device), seen.tensor(atlas.device)
        self._ring = Ring(atlas.device)

    def knowing(self, error: TwinError) -> TracedTwin:
        """The same twin, which knows how wrong it is; see `LearnsError`."""
        known = object.__new__(type(self))
        vars(known).update(vars(self), _error=error)
        return known

    def at_points(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the place alone says of all links at all grid points: the first fields of `Knowledge`, float32
        [A, C, 8], and for which there is a path, bool [A, C]."""
        shape = (len(self.atlas.geometry.ap_position_m), len(self.atlas.geometry.point_m))
        return self._static.view(*shape, -1), (self.atlas.count > 0).view(shape)

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N] (see `Knowledge`)."""
        known = self.said(sensed, ap)
        return known if self._error is None else self._error.correct(known, sensed)

    def said(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """The same, before it is corrected by what is known of its error."""
        atlas = self.atlas
        place, velocity = self._ring.places(sensed), self._ring.velocities(sensed)
        cell = atlas.geometry.cell(place)
        link = ap[:, None] * len(atlas.geometry.point_m) + cell.clamp_min(0)
        there = (atlas.count[link] > 0) & (cell >= 0)
        weight = self._ring.weight * there
        covered = weight.sum(-1)
        weight = weight / covered.clamp_min(1e-9)[:, None]
        features = torch.ones(*link.shape, len(KNOWLEDGE_FIELDS), device=atlas.device)  # where nothing is: no weight
        features[there] = self._features(link[there], velocity[there])
        for azimuth in ("departure_azimuth_rad", "arrival_azimuth_rad"):
            column = STATIC_FIELDS.index(azimuth)
            features[..., column] = about_mean(features[..., column], weight)
        mean = (weight[..., None] * features).sum(1)
        mean[:, _COHERENCE] = (weight * features[..., _COHERENCE].log()).sum(1).exp().clamp_max(LONGEST_COHERENCE_S)
        variance = (weight[..., None] * (features - mean[:, None]).square()).sum(1)
        return Knowledge(covered=covered, values=mean, std=variance.sqrt())

    def _features(self, link: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        """All that is known of `link` [K], AP * grid points + grid point, at `velocity` [K, 2], float32 [K, fields]."""
        atlas = self.atlas
        number = torch.arange(atlas.places, device=atlas.device)
        used = number < atlas.count[link][:, None]
        index = torch.where(used, atlas.start[link][:, None] + number, len(self._seen) - 1)
        power, x, y = self._seen.index_select(0, index.flatten()).view(*index.shape, 3).unbind(-1)
        vx, vy = velocity[..., None].unbind(-2)
        return complete_knowledge(self._static[link], power, vx * x + vy * y)

    def expected_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ExpectedPaths:
        """Paths that the twin expects at `position_m` [N, 3], for estimating the channel to `ap` int64 [N]."""
        return self.arriving_paths(position_m, ap)

    def arriving_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ArrivingPaths:
        """The same, with how the paths arrive: see `ExpectsArrivals`."""
        paths = self.atlas.paths(position_m, ap)
        length, first = paths.length_m, paths.first_m
        direction = paths.image_m / length[..., None]
        cycles = direction @ self._arrays.steps()[ap]
        return ArrivingPaths(
            delay_s=(length - first[:, None]) / SPEED_OF_LIGHT,
            column_cycles=cycles[..., 1],
            row_cycles=cycles[..., 0],
            power=paths.power,
            distance_m=first,
            arrival=paths.arrival,
        )

    def paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> LocalPaths:
        """Paths from access points `ap` int64 [N] to `position_m` [N, 3]."""
        return self.atlas.paths(position_m, ap)

    def channel(
        self, position_m: torch.Tensor, ap: torch.Tensor, offset_hz: torch.Tensor, *, synchronised: bool = False
    ) -> torch.Tensor:
        """Channels, complex64 [N, F, antennas], at baseband frequencies `offset_hz` [F]; see `GivesChannels`."""
        paths = self.atlas.paths(position_m, ap)
        return self.atlas.channel(paths, offset_hz, paths.first_m if synchronised else None)

    def links(self, position_m: torch.Tensor, offset_hz: torch.Tensor) -> torch.Tensor:
        """Channels from every AP to `position_m` [K, 3], complex64 [K, A, F, antennas]; see `GivesLinks`."""
        return self.atlas.links(position_m, offset_hz)

    def waves(self, paths: LocalPaths, offset_hz: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The channel of each path, in two factors: see `Atlas.waves`."""
        return self.atlas.waves(paths, offset_hz)

    def beam_power(
        self, position_m: torch.Tensor, ap: torch.Tensor, beams: Beams, yaw_error_rad: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Power gain of every beam, float32 [N, K], and line of sight, bool [N]; see `GivesBeamPower`.

        Paths do not interfere: their powers are added up, which is the mean over small-scale fading. Beams turn with
        the array; the pattern of its elements is left where it was, which is flat over a few degrees.
        """
        steps = self.step_cycles(yaw_error_rad)
        powers, sights = [], []
        for position, of_ap in zip(position_m.split(_CHUNK), ap.split(_CHUNK), strict=True):
            paths = self.atlas.paths(position, of_ap)
            direction = paths.image_m / paths.length_m[..., None]
            cycles = (direction @ steps[of_ap]).flatten(0, 1)
            response = beams.response(cycles[:, 0], cycles[:, 1]).unflatten(0, paths.gain.shape)
            powers.append((paths.power[:, None] @ response)[:, 0])
            sights.append(paths.line_of_sight)
        return torch.cat(powers), torch.cat(sights)

    def step_cycles(self, yaw_error_rad: torch.Tensor | None = None) -> torch.Tensor:
        """See `Arrays.steps`."""
        return self._arrays.steps(yaw_error_rad)


def traced_twin(site: Site, world: str, device: torch.device) -> TracedTwin:
    """The channel twin that the twin world `world` of a site is, made once. Raises `ConfigurationError` if there is
    none."""
    check_choice("twin", world, site.twins)
    return _traced_twin(site, world, device)


@kept_by_site
@lasting()
def _traced_twin(site: Site, world: str, device: torch.device) -> TracedTwin:
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
    return TracedTwin(site.twin(world), boresight_rad, site.recipe.array.columns)
