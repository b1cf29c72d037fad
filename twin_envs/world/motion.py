"""How users move: along routes, in closed form, so that position and velocity are known at any time without stepping.

A user's arc length along its route is

    x(t) = x0 + direction (v t + a (sin(w t + phase) - sin(phase))),   a w < v,

so it speeds up and slows down gently and never rolls back. Where the route ends, the user brakes, turns round and comes
back: x is folded into the route by a triangle wave whose corners are rounded by parabolas. The route itself is a
Catmull-Rom curve through vertices 1 m apart. All three are continuously differentiable, so the velocity is
the exact derivative of the position and never jumps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.state import TensorState, tensor
from twin_envs.base.streams import Streams
from twin_envs.world.ground import Ground


class RouteKind(IntEnum):
    """Who moves along a route."""

    WALKING = 0
    DRIVING = 1


class UserKind(IntEnum):
    """Who a user is. People belong on walking routes, vehicles on driving routes."""

    WALKING = 0
    DRIVING = 1
    STANDING = 2
    PARKED = 3


USER_KINDS = tuple(kind.name.lower() for kind in UserKind)
"""Names of the kinds of users, in the order of `UserKind`."""
POPULATIONS = ("any", "walkers", "vehicles", "mixed")
"""Who the users of an episode are, all together; `any`: one of the others."""


def in_vehicle(kind: torch.Tensor) -> torch.Tensor:
    """Whether users of kinds `kind`, int64 of any shape, are in vehicles, bool of the same shape."""
    return (kind == UserKind.DRIVING) | (kind == UserKind.PARKED)


def moves(kind: torch.Tensor) -> torch.Tensor:
    """Whether users of kinds `kind`, int64 of any shape, walk or drive, bool of the same shape."""
    return (kind == UserKind.WALKING) | (kind == UserKind.DRIVING)


_WALK_MEAN_M_S, _WALK_STD_M_S, _WALK_LOW_M_S, _WALK_HIGH_M_S = 1.34, 0.26, 0.6, 2.0
_DRIVE_LOW_M_S, _DRIVE_HIGH_M_S = 4.0, 14.0
# By kind: the speed swings by this share of its mean, with this period. At 9 m/s a driver accelerates by 0.7 m/s^2
# at most, the desired acceleration of the intelligent driver model (Treiber, Hennecke and Helbing, 2000).
_SWING_SHARE = (0.1, 0.25, 0.0, 0.0)
_SWING_PERIOD_S = (8.0, 20.0, 1.0, 1.0)
# A person who stands sways at a few tenths of a hertz (Winter, "Human balance and posture control during standing and
# walking", 1995); the phone in the hand by a little more than the body, 2 cm here.
_SWAY_M = (0.0, 0.0, 0.02, 0.0)
_SWAY_HZ = (0.31, 0.23)
_BRAKING_M_S2 = 1.67  # comfortable braking of the intelligent driver model
_LEAST_TURN_M = 0.5


def draw_speed(streams: Streams, rows: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """Mean speed of each user [m/s].

    Walking: normal with mean 1.34 and standard deviation 0.26 m/s (Weidmann, "Transporttechnik der Fussgaenger", ETH
    Zurich, 1993), clipped to 0.6 to 2.0. Driving: uniform from 4 m/s (the 15 km/h of TR 36.885, annex A) to 14 m/s (the
    50 km/h limit in towns). Standing and parked: 0.

    Args:
        streams: the random numbers; two draws are taken, whatever the kinds.
        rows: int64 [N], environments.
        kind: int64 [N, U], a `UserKind`.

    Returns:
        float32 [N, U].
    """
    num_ue = kind.shape[1]
    walk = streams.normal(rows, num_ue).mul(_WALK_STD_M_S).add(_WALK_MEAN_M_S).clamp(_WALK_LOW_M_S, _WALK_HIGH_M_S)
    drive = streams.uniform(rows, num_ue).mul(_DRIVE_HIGH_M_S - _DRIVE_LOW_M_S).add(_DRIVE_LOW_M_S)
    return torch.where(
        kind == UserKind.WALKING, walk, torch.where(kind == UserKind.DRIVING, drive, torch.zeros_like(walk))
    )


class Routes(Constant):
    """Routes as smooth curves on a device.

    Args:
        points: [R, V, 2] vertices [m], 1 m apart along the route, padded by repeating the last one.
        length_m: [R] lengths, whole metres from 2 to V - 1.
        kind: [R], 0 for walking and 1 for driving.
        device: where the curves are kept.
        ground: what UEs move on, and how high they are above it; by default level.

    Attributes:
        points: float32 [R, V, 2].
        length_m: float64 [R].
        kind: int64 [R].
        ground: as given.

    Raises:
        ConfigurationError: if the shapes do not fit each other or a length is out of range.
    """

    def __init__(
        self,
        points: object,
        length_m: object,
        kind: object,
        device: torch.device | str = "cpu",
        ground: Ground | None = None,
    ) -> None:
        self.ground = (ground or Ground()).to(device)
        self.points = torch.as_tensor(points, dtype=torch.float32, device=device)
        self.length_m = torch.as_tensor(length_m, dtype=torch.float64, device=device)
        self.kind = torch.as_tensor(kind, dtype=torch.int64, device=device)
        shape = self.points.shape
        fits = len(shape) == 3 and shape[0] > 0 and shape[2] == 2
        if not fits or self.length_m.shape != shape[:1] or self.kind.shape != shape[:1]:
            raise ConfigurationError(
                f"points, length_m and kind must be [R, V, 2], [R] and [R] with R > 0, got {list(shape)}, "
                f"{list(self.length_m.shape)} and {list(self.kind.shape)}"
            )
        whole = self.length_m == self.length_m.round()
        if not bool((whole & (self.length_m >= 2) & (self.length_m <= shape[1] - 1)).all()):
            raise ConfigurationError(f"length_m must be whole metres from 2 to {shape[1] - 1}, got {length_m}")
        self._coefficients = self._cubic().flatten(0, 1)

    def curve(self, route: torch.Tensor, arc_m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Point and tangent of a route.

        Args:
            route: int64 [...].
            arc_m: float64 [...], arc length from the route's first vertex, 0 to its length.

        Returns:
            position [m] and derivative by `arc_m` [m/m], both float32 [..., 2]. The tangent's length is 1 on straight
            stretches and within a few per cent of it in bends.
        """
        segment = torch.minimum(arc_m.floor(), self.length_m[route] - 1.0).clamp_min(0.0)
        t = (arc_m - segment).float().unsqueeze(-1)
        c = self._coefficients[route * self.points.shape[1] + segment.long()]
        c0, c1, c2, c3 = c.unbind(-2)
        return ((c3 * t + c2) * t + c1) * t + c0, (3.0 * c3 * t + 2.0 * c2) * t + c1

    def _cubic(self) -> torch.Tensor:
        """Coefficients [R, V, 4, 2] of the Catmull-Rom cubic from each vertex to the next, by rising power.

        Beyond both ends the route is continued straight on (Catmull and Rom, "A class of local interpolating
        splines", 1974).
        """
        count = self.points.shape[1]
        last = self.length_m.long()[:, None]
        index = torch.arange(-1, count + 2, device=self.points.device)[None, :]
        inside = self._vertex(torch.minimum(index.clamp_min(0), last))
        end_step = self._vertex(last) - self._vertex(last - 1)
        start_step = self._vertex(torch.ones_like(last)) - self._vertex(torch.zeros_like(last))
        past, before = (index - last).clamp_min(0)[..., None], index.clamp_max(0)[..., None]
        extended = inside + past * end_step + before * start_step
        p0, p1, p2, p3 = (extended[:, k : k + count] for k in range(4))
        return torch.stack(
            [p1, 0.5 * (p2 - p0), p0 - 2.5 * p1 + 2.0 * p2 - 0.5 * p3, 0.5 * (p3 - p0) + 1.5 * (p1 - p2)], dim=2
        )

    def _vertex(self, index: torch.Tensor) -> torch.Tensor:
        index = index.expand(self.points.shape[0], -1)
        return self.points.gather(1, index[..., None].expand(-1, -1, 2))


@dataclass(kw_only=True)
class Trajectories(TensorState):
    """What tells one user's trajectory from another's, [B, U] each.

    Attributes:
        kind: a `UserKind`.
        route: index of the route.
        speed_m_s: mean speed.
        direction: +1 towards the route's end at time 0, -1 towards its beginning.
        phase_rad: of the slow swing of speed, and of the sway of a standing user.
        start_m: arc length at time 0, before the route is folded.
        length_m: of the route.
        turn_m: length over which the user brakes at an end.
    """

    kind: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    route: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    speed_m_s: torch.Tensor = tensor("env", "ue", dtype=torch.float64)
    direction: torch.Tensor = tensor("env", "ue", dtype=torch.float64)
    phase_rad: torch.Tensor = tensor("env", "ue", dtype=torch.float64)
    start_m: torch.Tensor = tensor("env", "ue", dtype=torch.float64)
    length_m: torch.Tensor = tensor("env", "ue", dtype=torch.float64)
    turn_m: torch.Tensor = tensor("env", "ue", dtype=torch.float64)


class Motion:
    """Trajectories of U users in each of B environments.

    Args:
        routes: what they move along; the trajectories live on its device.
        num_envs: B.
        num_ue: U.

    Attributes:
        state: the trajectories.
    """

    def __init__(self, routes: Routes, num_envs: int, num_ue: int) -> None:
        self.routes = routes
        device = routes.points.device
        self.state = Trajectories.create(num_envs, device, ue=num_ue)
        tables = (_SWING_SHARE, _SWING_PERIOD_S, _SWAY_M)
        self._kinds = torch.tensor(tables, dtype=torch.float64, device=device)
        self._sway_rad_s = 2.0 * math.pi * torch.tensor(_SWAY_HZ, dtype=torch.float64, device=device)

    def start(
        self,
        rows: torch.Tensor,
        *,
        kind: torch.Tensor,
        route: torch.Tensor,
        offset_m: torch.Tensor,
        speed_m_s: torch.Tensor,
        direction: torch.Tensor,
        phase_rad: torch.Tensor,
    ) -> None:
        """Begin new trajectories in environments `rows` [N] at time 0.

        Args:
            kind: int64 [N, U], a `UserKind`.
            route: int64 [N, U].
            offset_m: [N, U], arc length at time 0, 0 to the route's length. A moving user cannot be closer to an end
                than half its braking distance, where it would have turned, and starts there instead.
            speed_m_s: [N, U] mean speed, see `draw_speed`; 0 for users that stay.
            direction: [N, U], +1 towards the route's end or -1 towards its beginning.
            phase_rad: [N, U] phase of the slow swing of speed, and of the sway of a standing user, 0 to 2 pi.
        """
        speed = speed_m_s.double()
        length = self.routes.length_m[route]
        turn = torch.minimum((speed * speed / _BRAKING_M_S2).clamp_min(_LEAST_TURN_M), 0.25 * length)
        state = self.state
        state.kind[rows], state.route[rows], state.speed_m_s[rows] = kind, route, speed
        state.direction[rows], state.phase_rad[rows] = direction.double(), phase_rad.double()
        state.length_m[rows], state.turn_m[rows] = length, turn
        state.start_m[rows] = _unfold(offset_m.double(), length, turn)

    def at(self, rows: torch.Tensor, time_s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the users are, and how fast.

        Args:
            rows: int64 [N], environments.
            time_s: [N] or [N, T], time since `start`. Give float64 where times are long: at 3.5 GHz a millimetre is a
                phase of 4 degrees.

        Returns:
            position [m] and velocity [m/s], float32 [N, U, 3] or [N, T, U, 3].
        """
        time, state = time_s.double().reshape(len(rows), -1, 1), self.state
        share, period, sway = self._kinds[:, state.kind[rows]].unsqueeze(2)
        speed, direction, phase = (x[rows][:, None] for x in (state.speed_m_s, state.direction, state.phase_rad))
        pulsation = 2.0 * math.pi / period
        swing = share * speed
        angle = pulsation * time + phase
        x = state.start_m[rows][:, None] + direction * (speed * time + swing / pulsation * (angle.sin() - phase.sin()))
        arc, slope = _fold(x, state.length_m[rows][:, None], state.turn_m[rows][:, None])
        position, tangent = self.routes.curve(state.route[rows][:, None].expand_as(arc), arc)
        velocity = tangent * (slope * direction * (speed + swing * angle.cos())).float().unsqueeze(-1)

        angle, sway = self._sway_rad_s * time.unsqueeze(-1) + phase.unsqueeze(-1), sway.unsqueeze(-1)
        position = position + (sway * angle.sin()).float()
        velocity = velocity + (sway * self._sway_rad_s * angle.cos()).float()
        ground = self.routes.ground
        position, velocity = ground.place(position), ground.velocity(position, velocity)
        return (position[:, 0], velocity[:, 0]) if time_s.dim() == 1 else (position, velocity)


def _fold(x: torch.Tensor, length: torch.Tensor, turn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Triangle wave of period 2 `length` with its corners rounded over +-`turn`, and its derivative."""
    phase = torch.remainder(x, 2.0 * length)
    outward = phase < length
    forward = torch.where(outward, phase, 2.0 * length - phase)
    first_half = forward < 0.5 * length
    to_end = torch.where(first_half, forward, length - forward)
    rounded = torch.maximum(to_end, 0.5 * (torch.minimum(to_end, turn).square() / turn + turn))
    arc = torch.where(first_half, rounded, length - rounded)
    return arc, torch.where(outward, 1.0, -1.0) * (to_end / turn).clamp_max(1.0)


def _unfold(arc: torch.Tensor, length: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """The x in [0, length] that `_fold` takes to `arc`, or to the nearest arc length that it reaches."""
    first_half = arc < 0.5 * length
    rounded = torch.where(first_half, arc, length - arc)
    to_end = torch.where(rounded < turn, (2.0 * turn * rounded - turn * turn).clamp_min(0.0).sqrt(), rounded)
    return torch.where(first_half, to_end, length - to_end)
