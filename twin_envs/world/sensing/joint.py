"""Any sensors, fused by an extended Kalman filter for each UE.

What is mounted at APs measures in polar coordinates about them, so the errors of both axes hang together. The filter
has for each axis the states of `model`, and for each sensor that follows the UE the errors of its registration: where
it is (2), its yaw and its clock. They are constant, so the filter learns them as far as the UE's way tells them, and
is never surer of a position than they let it be.

A sensor that is off by d and turned by y, and whose clock is ahead by c, measures of a UE at p, with velocity v,

    range = |r|,   azimuth = angle of r, less y,   radial velocity = v r / |r|,   r = p + c v - d

relative to the AP, each with noise. Range and azimuth are linearised where they were measured, not where the UE was
thought to be ("converted measurements", Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and
Navigation", 2001, section 10.4), the radial velocity after them where the UE is thought to be by then. Without an IMU,
estimates go straight on, and `AGILITY_M_S` stands for what UEs do instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch

from twin_envs.base.state import TensorState, tensor
from twin_envs.base.streams import Streams
from twin_envs.world.sensing.estimates import Estimates
from twin_envs.world.sensing.model import BIAS_NOISE, NOISES, STATES, ErrorModel, mix
from twin_envs.world.sensing.mounting import Mounting
from twin_envs.world.sensing.protocol import Sensing, due, normals
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu
from twin_envs.world.sensing.sensors.protocol import MountedSensor

FOLLOWERS = 3
"""So many APs at most follow a UE with each of their sensors: those nearest to its first fix."""
AGILITY_M_S = 1.0
"""By how much a velocity changes in 1 s, as a random walk, for a filter without an IMU: between a driver's desired
acceleration of 0.7 m/s^2 and braking of 1.7 m/s^2 (see `motion`)."""
_REGISTRATION = 4
_AXES = 2 * STATES
_AXIS = (slice(0, STATES), slice(STATES, _AXES))
_PX, _PY, _VX, _VY = 0, STATES, 1, STATES + 1
_GX, _GY = 3, STATES + 3


@dataclass(kw_only=True)
class JointFilters(TensorState):
    """What the network does not know: the errors of its estimates, beside their covariance. Privileged.

    Attributes:
        values: float64 [state, 1 + state, B, U]: the error, and the covariance.
        since_s: time since the last measurement of GNSS and of each mounted sensor, float64 [1 + S, B, U].
        last: position and velocity when the filter was last moved, float64 [4, B, U].
        followed: APs that follow the UE, int64 [K, B, U].
        registration: true errors of their sensors, float64 [S, K, 4, B, U]: offset [m] (2), yaw [rad], clock [s].
    """

    values: torch.Tensor = tensor("state", "column", "env", "ue", dtype=torch.float64)
    since_s: torch.Tensor = tensor("timer", "env", "ue", dtype=torch.float64)
    last: torch.Tensor = tensor(4, "env", "ue", dtype=torch.float64)
    followed: torch.Tensor = tensor("follower", "env", "ue", dtype=torch.int64)
    registration: torch.Tensor = tensor("sensor", "follower", _REGISTRATION, "env", "ue", dtype=torch.float64)


class JointSensing(Sensing):
    """What follows UEs by any sensors.

    Args:
        gnss: receiver of the UEs.
        imu: of the UEs; None if they have none.
        mounted: sensors at every AP.
        num_envs: B.
        num_ue: U.
        mounting: where sensors are mounted.
        device: where the filters run.
    """

    def __init__(
        self,
        gnss: Gnss,
        imu: Imu | None,
        mounted: Sequence[MountedSensor],
        num_envs: int,
        num_ue: int,
        mounting: Mounting,
        device: torch.device | str = "cpu",
    ) -> None:
        self._gnss, self._has_imu, self._mounting = gnss, imu is not None, mounting
        self._mounted = list(mounted)
        straight_on = Imu(bias_m_s2=0.0, bias_walk_m_s2=0.0, velocity_walk_m_s=AGILITY_M_S)
        self._model = ErrorModel(gnss, imu or straight_on, device)
        self._followers = min(FOLLOWERS, len(mounting.ap_m)) if mounted else 0
        count = len(self._mounted)
        states = _AXES + _REGISTRATION * count * self._followers
        self.estimates = Estimates.create(num_envs, device, ue=num_ue)
        self.state: JointFilters = JointFilters.create(
            num_envs,
            device,
            ue=num_ue,
            state=states,
            column=1 + states,
            timer=1 + count,
            follower=self._followers,
            sensor=count,
        )
        std = [[s.offset_std_m, s.offset_std_m, s.yaw_std_rad, s.clock_std_s] for s in self._mounted]
        self._registration_std = torch.tensor(std, dtype=torch.float64, device=device).view(count, _REGISTRATION)
        intervals = [gnss.interval_s, *(sensor.interval_s for sensor in self._mounted)]
        self._interval_s = torch.tensor(intervals, dtype=torch.float64, device=device)[:, None, None]

    @property
    def covariance(self) -> torch.Tensor:
        """Covariance of all errors, float64 [B, U, states, states]. A view: `advance` changes it.

        Order: of x position [m], velocity [m/s], accelerometer bias [m/s^2] and GNSS bias [m], the same of y, then of
        each sensor at each AP that follows the UE its offset (2) [m], yaw [rad] and clock [s].
        """
        return self.state.values[:, 1:].permute(2, 3, 0, 1)

    @property
    def motion_covariance(self) -> torch.Tensor:
        """See `Sensing.motion_covariance`."""
        states = torch.tensor([_PX, _PY, _VX, _VY], device=self.state.values.device)
        return self.covariance[..., states[:, None], states]

    def start(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor, streams: Streams) -> None:
        """See `Sensing.start`."""
        state, first, num_ue = self.state, self._model.first, position.shape[1]
        count, aps = len(self._mounted), len(self._mounting.ap_m)
        noise = normals(streams, rows, STATES + count * aps * _REGISTRATION // 2, num_ue)
        values = torch.zeros_like(state.values[:, :, rows])
        values[:_AXES, 0] = mix(first[..., None], noise[:STATES]).transpose(0, 1).flatten(0, 1)
        axis = (first @ first.mT)[..., None, None]
        values[:STATES, 1 : 1 + STATES], values[STATES:_AXES, 1 + STATES : 1 + _AXES] = axis, axis
        uniform = streams.uniform(rows, (1 + count) * num_ue).view(len(rows), 1 + count, num_ue)
        state.since_s[:, rows] = uniform.transpose(0, 1).double() * self._interval_s
        state.last[:, rows] = _together(position, velocity)
        if count:
            self._mount(rows, position + values[[_PX, _PY], 0].permute(1, 2, 0), noise[STATES:], values)
        state.values[:, :, rows] = values
        self._estimate(rows, position, velocity)

    def _mount(self, rows: torch.Tensor, fix_m: torch.Tensor, noise: torch.Tensor, values: torch.Tensor) -> None:
        """Let the APs nearest to the first fixes `fix_m` [N, U, 2] follow, with errors of registration from `noise`."""
        state, count, aps = self.state, len(self._mounted), len(self._mounting.ap_m)
        away_m = (fix_m[:, :, None] - self._mounting.ap_m).norm(dim=-1)
        state.followed[:, rows] = nearest = away_m.topk(self._followers, largest=False).indices.permute(2, 0, 1)
        # A sensor has one registration, whichever UE it follows: that which the numbers of UE 0 say.
        of_ap = noise[..., 0].reshape(count, aps, _REGISTRATION, len(rows)) * self._registration_std[:, None, :, None]
        of_ap = of_ap.permute(0, 2, 1, 3)[..., None].expand(-1, -1, -1, -1, fix_m.shape[1])  # [S, 4, A, N, U]
        taken = nearest.expand(count, _REGISTRATION, -1, -1, -1)
        state.registration[:, :, :, rows] = true = of_ap.gather(2, taken).transpose(1, 2)
        values[_AXES:, 0] = -true.flatten(0, 2)  # the network believes that there are none
        variance = self._registration_std.square()[:, None].expand(-1, self._followers, -1).flatten()
        index = torch.arange(_AXES, len(values), device=values.device)
        values[index, 1 + index] = variance[:, None, None]

    def advance(
        self,
        rows: torch.Tensor,
        elapsed_s: torch.Tensor,
        position: torch.Tensor,
        velocity: torch.Tensor,
        streams: Streams,
    ) -> None:
        """See `Sensing.advance`."""
        state, elapsed, gnss = self.state, elapsed_s.double(), self._gnss
        links = len(self._mounted) * self._followers
        noise = normals(streams, rows, NOISES + 2 + 2 * links, position.shape[1])
        now = _together(position, velocity)
        values = self._predict(state.values[:, :, rows], elapsed, noise[:NOISES], now, state.last[:, rows])
        state.last[:, rows] = now
        state.since_s[:, rows], late = due(state.since_s[:, rows], elapsed[:, None], self._interval_s)
        fixed = late[0] & (self._mounting.sky_view.at(position) >= gnss.least_sky_view)
        env, ue = fixed.nonzero(as_tuple=True)
        if len(env):
            values[:, :, env, ue] = self._fix(values[:, :, env, ue], noise[NOISES : NOISES + 2, :, env, ue])
        own = noise[NOISES + 2 :].reshape(len(self._mounted), self._followers, 4, *position.shape[:2])
        for index, sensor in enumerate(self._mounted):
            for follower in range(self._followers):
                self._look(values, rows, now, late[1 + index], own[index, follower], sensor, index, follower)
        state.values[:, :, rows] = values
        self._estimate(rows, position, velocity)

    def _predict(
        self, values: torch.Tensor, elapsed: torch.Tensor, noise: torch.Tensor, now: torch.Tensor, last: torch.Tensor
    ) -> torch.Tensor:
        """Filters [states, 1 + states, N, U] after `elapsed` [N] without a measurement, in place."""
        gain = self._model.gains(elapsed)
        process = (gain[:, None] * gain).sum(2)[..., None]
        for own in _AXIS:
            values[own] = self._model.carry(values[own], elapsed)
        for own in _AXIS:
            columns = values[:, 1 + own.start : 1 + own.stop]
            columns[:] = self._model.carry(columns.transpose(0, 1), elapsed).transpose(0, 1)
        if self._has_imu:
            error = mix(gain, noise)
        else:
            bias = BIAS_NOISE
            error = mix(gain[:, bias:], noise[bias:])
            time = elapsed[:, None]
            moved, sped = now[:2] - last[:2] - time * last[2:], now[2:] - last[2:]
            error[:2] -= torch.stack([moved, sped])
        for axis, own in enumerate(_AXIS):
            values[own, 0] += error[:, axis]
            values[own, 1 + own.start : 1 + own.stop] += process
        return values

    def _fix(self, values: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Filters [states, 1 + states, M] after a fix; `noise` [2, 2, M]: of position and velocity, by axis."""
        gnss = self._gnss
        for axis, (p, v, g) in enumerate(((_PX, _VX, _GX), (_PY, _VY, _GY))):
            position = {p: torch.ones_like(noise[0, 0]), g: torch.ones_like(noise[0, 0])}
            off = values[p, 0] + values[g, 0] - gnss.noise_m * noise[0, axis]
            values = _update(values, position, off, torch.full_like(off, gnss.noise_m**2))
            off = values[v, 0] - gnss.velocity_noise_m_s * noise[1, axis]
            values = _update(values, {v: torch.ones_like(off)}, off, torch.full_like(off, gnss.velocity_noise_m_s**2))
        return values

    def _look(
        self,
        values: torch.Tensor,
        rows: torch.Tensor,
        now: torch.Tensor,
        late: torch.Tensor,
        noise: torch.Tensor,
        sensor: MountedSensor,
        index: int,
        follower: int,
    ) -> None:
        """Let a sensor of one AP measure those UEs that it sees; changes `values` [states, 1 + states, N, U] in place.

        Args:
            rows: environments [N].
            now: true positions and velocities [4, N, U].
            late: of which UEs a measurement is due, bool [N, U].
            noise: standard normals of range, azimuth, radial velocity and detection [4, N, U].
            sensor: who measures.
            index, follower: which sensor, and which of the APs that follow each UE.
        """
        env, ue = late.nonzero(as_tuple=True)
        if not len(env):
            return
        true, noise, ap = now[:, env, ue].mT, noise[:, env, ue], self.state.followed[follower, rows[env], ue]
        sight = self._mounting.sight(ap, true[:, :2], true[:, 2:])
        seen = torch.special.ndtr(noise[3]) < sensor.chance(sight)
        env, ue, true, noise, ap = env[seen], ue[seen], true[seen], noise[:, seen], ap[seen]
        if not len(env):
            return
        registration = self.state.registration[index, follower, :, rows[env], ue]
        link = _Link(
            ap_m=self._mounting.ap_m[ap],
            height_m=self._mounting.height_m(ap, true[:, :2]),
            first=_AXES + _REGISTRATION * (index * self._followers + follower),
        )
        measured = _measure(sensor, link, true, registration.mT, noise)
        values[:, :, env, ue] = _use(sensor, link, values[:, :, env, ue], true, registration.mT, measured)

    def _estimate(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor) -> None:
        values, estimates = self.state.values[:, :, rows], self.estimates
        error = values[[_PX, _PY, _VX, _VY], 0].permute(1, 2, 0).float()
        estimates.position[rows], estimates.velocity[rows] = position + error[..., :2], velocity + error[..., 2:]
        variance = values.diagonal(offset=1)  # [N, U, states]
        estimates.position_std_m[rows] = (0.5 * (variance[..., _PX] + variance[..., _PY])).sqrt().float()
        estimates.velocity_std_m_s[rows] = (0.5 * (variance[..., _VX] + variance[..., _VY])).sqrt().float()


@dataclass(frozen=True, kw_only=True)
class _Link:
    """M sensors of one kind, each with the UE that it sees.

    Attributes:
        ap_m: where the network believes that the sensors are [M, 2].
        height_m: of the sensors above the UEs [M].
        first: the first state of their registration.
    """

    ap_m: torch.Tensor
    height_m: torch.Tensor
    first: int

    def std(self, sensor: MountedSensor, distance_m: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Standard deviation of what `sensor` measures at `distance_m` [M]."""
        return sensor.std(distance_m.clamp_min(1.0), self.height_m)

    def away(self, moving: torch.Tensor, registration: torch.Tensor) -> torch.Tensor:
        """The UEs' places [M, 2] relative to the sensors, at the time of the measurement.

        Args:
            moving: positions and velocities [M, 4].
            registration: offset, yaw and clock [M, 4].
        """
        late = registration[:, 3:] * moving[:, 2:]
        return moving[:, :2] + late - self.ap_m - registration[:, :2]


def _measure(
    sensor: MountedSensor, link: _Link, true: torch.Tensor, registration: torch.Tensor, noise: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What sensors measure of UEs that are and move as `true` [M, 4] says, by quantity [M]."""
    away = link.away(true, registration)
    distance = away.norm(dim=-1).clamp_min(1.0)
    values = {
        "range": distance,
        "azimuth": torch.atan2(away[:, 1], away[:, 0]) - registration[:, 2],
        "radial_velocity": (away * true[:, 2:]).sum(-1) / distance,
    }
    std = link.std(sensor, distance)
    return {
        name: value + std[name] * own
        for (name, value), own in zip(values.items(), noise[:3], strict=True)
        if name in sensor.measures
    }


def _use(
    sensor: MountedSensor,
    link: _Link,
    values: torch.Tensor,
    true: torch.Tensor,
    registration: torch.Tensor,
    measured: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """Filters [states, 1 + states, M] after what was `measured`; truth is there to tell estimates from errors alone."""
    moving, believed = _believed(link, values, true, registration)
    away, velocity = link.away(moving, believed), moving[:, 2:]
    azimuth = measured["azimuth"] + believed[:, 2] if "azimuth" in measured else torch.atan2(away[:, 1], away[:, 0])
    toward = torch.stack([azimuth.cos(), azimuth.sin()], -1)
    across = torch.stack([-toward[:, 1], toward[:, 0]], -1)
    expected = (toward * away).sum(-1)
    distance = _distance(sensor, link, values, toward, expected, measured)
    std, before = link.std(sensor, distance), values[:, 0]
    if "range" in measured:
        row = _row(link, toward, velocity, believed)
        values = _update(values, row, expected - measured["range"], std["range"].square())
    if "azimuth" in measured:
        row = _row(link, across, velocity, believed)
        row[link.first + 2] = -distance
        off = (across * away).sum(-1) + _along(row, values[:, 0] - before)
        values = _update(values, row, off, (distance * std["azimuth"]).square())
    if "radial_velocity" in measured:
        moving, believed = _believed(link, values, true, registration)
        away, velocity = link.away(moving, believed), moving[:, 2:]
        distance = away.norm(dim=-1, keepdim=True).clamp_min(1.0)
        toward = away / distance
        radial = (toward * velocity).sum(-1)
        turns = (velocity - radial[:, None] * toward) / distance
        row = _row(link, turns, velocity, believed)
        row[_VX], row[_VY] = row[_VX] + toward[:, 0], row[_VY] + toward[:, 1]
        std = link.std(sensor, distance[:, 0])
        values = _update(values, row, radial - measured["radial_velocity"], std["radial_velocity"].square())
    return values


def _believed(
    link: _Link, values: torch.Tensor, true: torch.Tensor, registration: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and velocities, and registrations, [M, 4] each, as the filters have them."""
    error = values[:, 0]
    own = slice(link.first, link.first + _REGISTRATION)
    return true + error[[_PX, _PY, _VX, _VY]].mT, registration + error[own].mT


def _distance(
    sensor: MountedSensor,
    link: _Link,
    values: torch.Tensor,
    toward: torch.Tensor,
    expected: torch.Tensor,
    measured: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """The distance [M] at which the noise is looked up: what was expected and what was measured, by their variances."""
    if "range" not in measured:
        return expected.clamp_min(1.0)
    x, y = toward.unbind(-1)
    mine = x * x * values[_PX, 1 + _PX] + 2 * x * y * values[_PX, 1 + _PY] + y * y * values[_PY, 1 + _PY]
    theirs = link.std(sensor, measured["range"])["range"].square()
    return ((expected * theirs + measured["range"] * mine) / (mine + theirs)).clamp_min(1.0)


def _row(link: _Link, along: torch.Tensor, velocity: torch.Tensor, believed: torch.Tensor) -> dict[int, torch.Tensor]:
    """Derivative by the states of the UE's place relative to the sensor, along a direction [M, 2]."""
    clock, (x, y) = believed[:, 3], along.unbind(-1)
    offset = {link.first: -x, link.first + 1: -y, link.first + 3: (along * velocity).sum(-1)}
    return {_PX: x, _PY: y, _VX: clock * x, _VY: clock * y, **offset}


def _update(
    values: torch.Tensor, row: Mapping[int, torch.Tensor], off: torch.Tensor, variance: torch.Tensor
) -> torch.Tensor:
    """Kalman update of filters [states, 1 + states, M].

    Args:
        row: derivative of what is measured by each state that it depends on, [M] each.
        off: expected less measured [M].
        variance: of the measurement [M].
    """
    projected = _along(row, values[:, 1:].transpose(0, 1))
    total = _along(row, projected) + variance
    gain = projected / total
    return values - gain[:, None] * torch.cat([off[None], projected])


def _along(row: Mapping[int, torch.Tensor], values: torch.Tensor) -> torch.Tensor:
    """Sum of what `values` [states, ..., M] have of each state, with the weights `row`, [..., M].

    Added one by one: in which order a reduction adds may depend on M.
    """
    return reduce(torch.add, [weight * values[state] for state, weight in row.items()])


def _together(position: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
    """Positions and velocities [N, U, 2] as float64 [4, N, U]."""
    return torch.cat([position, velocity], -1).double().permute(2, 0, 1)
