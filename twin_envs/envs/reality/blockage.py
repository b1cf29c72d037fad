"""People and vehicles that stand in the way of paths, as TR 38.901, 7.6.4 models them.

Privileged: reality alone has them; the twin does not know.

Each blocker is an upright screen on the ground (7.6.4.2, model B) that moves in a straight line past the UE, within a
box round the UE that is closed on itself, so where it is at any time needs no stepping. What a screen takes from a
path follows from knife-edge diffraction at its two sides and its top,

    loss = 1 - (F_left + F_right) (F_top + 1/2),   F = +-atan(pi / 2 sqrt(pi / wavelength * detour)) / pi,

in amplitude; F is positive where the edge lies on the far side of the path. The AP is far away compared with the
screen, so the detour of a path over an edge at distance d, seen from the UE under an angle a off the path, is
d (1 - cos a). Below, the screen stands on the ground and nothing is diffracted: F = 1/2. A pedestrian's own body takes
30 dB from what arrives from behind (7.6.4.1, model A, portrait). What reaches a user in a vehicle loses as much as its
windows take, normal in decibels with a deviation of 5 dB from vehicle to vehicle (7.4.3.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.base.state import TensorState, tensor
from twin_envs.base.streams import Streams
from twin_envs.world.atlas.atlas import LocalPaths
from twin_envs.world.motion import Motion, in_vehicle, moves

PERSON_WIDTH_M, PERSON_HEIGHT_M = 0.3, 1.7
"""A person (TR 38.901, table 7.6.4.2-5)."""
_CROWD_BOX_M = 3.0
"""Half the side of the box in which people walk round a pedestrian. Four in 36 m^2 are a busy pavement, at the border
of levels of service A and B (Fruin, "Pedestrian planning and design", 1971)."""
_PERSON_SPEED_M_S = 1.34
_CLOSEST_M = 0.4
CAR_LENGTH_M, CAR_HEIGHT_M = 5.0, 1.6
BUS_LENGTH_M, BUS_HEIGHT_M = 13.0, 3.0
"""Vehicles of type 1 and 3 (TR 37.885, 6.1.2)."""
_BUS_SHARE = 0.2
_TRAFFIC_BOX_M = 40.0
_LANE_M = 3.5
_BUS_SIDE_M = 1.3
"""Half the width of a bus: so much nearer than the middle of its lane is the side that blocks."""
_TRAFFIC_SPEED_M_S = 14.0
_BODY_AZIMUTH_RAD, _BODY_LOWEST_RAD, _BODY_HIGHEST_RAD = math.radians(120), math.radians(-50), math.radians(30)
"""Width in azimuth, and lowest and highest elevation, of what the own body blocks: 80 degrees about a zenith angle of
100 (TR 38.901, table 7.6.4.1-1)."""
_BODY_LOSS = 10 ** (-30 / 20)
_CAR_STD_DB = 5.0
"""Of the loss through the windows, from vehicle to vehicle (TR 38.901, 7.4.3.2)."""


@dataclass(kw_only=True)
class Blockers(TensorState):
    """Where blockers start and how they move, and how users hold themselves.

    Attributes:
        start_m, speed_m_s: of each blocker, float32 [B, U, K, 2].
        bus: whether it is a bus, bool [B, U, K].
        facing_rad: where a user that stays faces, float32 [B, U].
        inside: what a vehicle's windows leave of the amplitude, float32 [B, U]; 1 for pedestrians.
    """

    start_m: torch.Tensor = tensor("env", "ue", "blocker", 2)
    speed_m_s: torch.Tensor = tensor("env", "ue", "blocker", 2)
    bus: torch.Tensor = tensor("env", "ue", "blocker", dtype=torch.bool)
    facing_rad: torch.Tensor = tensor("env", "ue")
    inside: torch.Tensor = tensor("env", "ue", initial=1)


class Blockage:
    """What blocks the paths of U UEs in each of B environments.

    Args:
        motion: true trajectories.
        blockers: number of blockers round each UE.
        most_blockers: so many are drawn; the first `blockers` of them are the same whatever their number is.
        self_blocking: whether pedestrians' own bodies block.
        car_loss_db: mean loss through the windows of vehicles; with 0 they are open.
        wavelength_m: of the carrier.
        device: where everything is computed.

    Attributes:
        state: where blockers start and how they move.
    """

    def __init__(
        self,
        motion: Motion,
        blockers: int,
        most_blockers: int,
        self_blocking: bool,
        car_loss_db: float,
        wavelength_m: float,
        device: torch.device,
    ) -> None:
        self.motion, self.blockers, self.self_blocking = motion, blockers, self_blocking
        self._most_blockers = most_blockers
        self.car_loss_db = car_loss_db
        self._wavelength_m = wavelength_m
        num_envs, num_ue = motion.state.kind.shape
        self.state = Blockers.create(num_envs, device, ue=num_ue, blocker=blockers)

    def start(self, rows: torch.Tensor, streams: Streams) -> None:
        """Draw the blockers of environments `rows` [N], after `motion` has begun; five draws from each stream."""
        num_ue, count = self.state.facing_rad.shape[1], self.blockers
        vehicle, most = in_vehicle(self.motion.state.kind[rows])[..., None], self._most_blockers
        self.state.facing_rad[rows] = streams.uniform(rows, num_ue) * (2 * math.pi)
        place = 2 * streams.uniform(rows, num_ue, most, 2)[:, :, :count] - 1
        course = streams.uniform(rows, num_ue, most, 2)[:, :, :count]
        self.state.bus[rows] = (streams.uniform(rows, num_ue, most)[:, :, :count] < _BUS_SHARE) & vehicle
        windows_db = (self.car_loss_db + _CAR_STD_DB * streams.normal(rows, num_ue)).clamp_min(0.0)
        lossy = vehicle[..., 0] & (self.car_loss_db > 0)
        self.state.inside[rows] = torch.where(lossy, torch.pow(10.0, -windows_db / 20), 1.0)
        turn = 2 * math.pi * course[..., 0]
        walk = _PERSON_SPEED_M_S * torch.stack([turn.cos(), turn.sin()], -1)
        drive = torch.stack([_TRAFFIC_SPEED_M_S * (2 * course[..., 0] - 1), torch.zeros_like(turn)], -1)
        side = _LANE_M * torch.where(place[..., 1] < 0, -1.0, 1.0)
        lane = torch.stack([_TRAFFIC_BOX_M * place[..., 0], side], -1)
        self.state.start_m[rows] = torch.where(vehicle[..., None], lane, _CROWD_BOX_M * place)
        self.state.speed_m_s[rows] = torch.where(vehicle[..., None], drive, walk)

    def amplitude(
        self, rows: torch.Tensor, ue: torch.Tensor, time_s: torch.Tensor, velocity_m_s: torch.Tensor, paths: LocalPaths
    ) -> torch.Tensor:
        """What the blockers leave of every path, float32 [M, P] from 0 to 1.

        Args:
            rows, ue: environments and UEs of M links, int64 [M].
            time_s: since the episode's start [M].
            velocity_m_s: of the UEs [M, 3].
            paths: of the links.
        """
        azimuth = torch.atan2(-paths.arrival[..., 1], -paths.arrival[..., 0])
        elevation = torch.asin((-paths.arrival[..., 2]).clamp(-1.0, 1.0))
        kind = self.motion.state.kind[rows, ue]
        heading = torch.atan2(velocity_m_s[:, 1], velocity_m_s[:, 0])
        facing = torch.where(moves(kind), heading, self.state.facing_rad[rows, ue])
        vehicle = in_vehicle(kind)
        left = self.state.inside[rows, ue][:, None].expand(azimuth.shape)
        if self.blockers:
            frame = torch.where(vehicle, facing, 0.0)[:, None]
            left = left * self._screens(rows, ue, time_s, vehicle, azimuth - frame, elevation)
        if self.self_blocking:
            behind = _wrap(azimuth - facing[:, None] - math.pi).abs() < _BODY_AZIMUTH_RAD / 2
            behind &= (elevation > _BODY_LOWEST_RAD) & (elevation < _BODY_HIGHEST_RAD) & ~vehicle[:, None]
            left = torch.where(behind, left * _BODY_LOSS, left)
        return left

    def _screens(
        self,
        rows: torch.Tensor,
        ue: torch.Tensor,
        time_s: torch.Tensor,
        vehicle: torch.Tensor,
        azimuth: torch.Tensor,
        elevation: torch.Tensor,
    ) -> torch.Tensor:
        """What all screens leave of the paths, whose azimuth [M, P] is relative to a vehicle's heading."""
        box_m = torch.where(vehicle, _TRAFFIC_BOX_M, _CROWD_BOX_M)[:, None, None]
        moved = self.state.start_m[rows, ue] + self.state.speed_m_s[rows, ue] * time_s.float()[:, None, None]
        centre = torch.remainder(moved + box_m, 2 * box_m) - box_m  # [M, K, 2]
        bus = self.state.bus[rows, ue]
        # A vehicle stays in its lane; a person does not come closer than an arm's length.
        beside = centre[..., 1].sign() * (_LANE_M - _BUS_SIDE_M)
        distance = centre.norm(dim=-1, keepdim=True).clamp_min(1e-3)
        apart = centre * (distance.clamp_min(_CLOSEST_M) / distance)
        traffic = torch.stack([centre[..., 0], beside], -1)
        centre = torch.where(vehicle[:, None, None], traffic, apart)
        half_m = torch.where(bus, BUS_LENGTH_M / 2, CAR_LENGTH_M / 2)
        along = torch.stack([half_m, torch.zeros_like(half_m)], -1)
        across = torch.stack([-centre[..., 1], centre[..., 0]], -1) / centre.norm(dim=-1, keepdim=True)
        half = torch.where(vehicle[:, None, None], along, across * (PERSON_WIDTH_M / 2))
        height = torch.where(vehicle[:, None], torch.where(bus, BUS_HEIGHT_M, CAR_HEIGHT_M), PERSON_HEIGHT_M)
        left = screen_amplitude(
            (centre - half)[:, :, None],
            (centre + half)[:, :, None],
            (height - self.motion.routes.ground.ue_height_m)[..., None],
            azimuth[:, None],
            elevation[:, None],
            self._wavelength_m,
        )
        return left.prod(1)


def screen_amplitude(
    one_m: torch.Tensor,
    other_m: torch.Tensor,
    above_m: torch.Tensor,
    azimuth_rad: torch.Tensor,
    elevation_rad: torch.Tensor,
    wavelength_m: float,
) -> torch.Tensor:
    """What a screen on the ground leaves of a path's amplitude, from 0 to 1 (see the module).

    Args:
        one_m, other_m: its lower corners relative to the UE [..., 2].
        above_m: height of its top above the UE [...].
        azimuth_rad, elevation_rad: where the path comes from [...].
        wavelength_m: of the carrier.
    """
    toward = torch.stack([azimuth_rad.cos(), azimuth_rad.sin()], -1)
    middle = torch.nn.functional.normalize(one_m, dim=-1) + torch.nn.functional.normalize(other_m, dim=-1)
    centre_rad = torch.atan2(middle[..., 1], middle[..., 0])
    off = _wrap(azimuth_rad - centre_rad)
    half = 0.5 * _wrap(torch.atan2(other_m[..., 1], other_m[..., 0]) - torch.atan2(one_m[..., 1], one_m[..., 0])).abs()
    near = torch.where(_wrap(torch.atan2(one_m[..., 1], one_m[..., 0]) - centre_rad) < 0, 1, -1)
    right = torch.where(near[..., None] > 0, one_m, other_m).norm(dim=-1)
    left = torch.where(near[..., None] > 0, other_m, one_m).norm(dim=-1)
    sides = _edge(right, off + half, wavelength_m) + _edge(left, half - off, wavelength_m)
    # How far away the path, seen from above, meets the line of the screen.
    line = other_m - one_m
    meets = (one_m[..., 0] * line[..., 1] - one_m[..., 1] * line[..., 0]).abs()
    crossing = (toward[..., 0] * line[..., 1] - toward[..., 1] * line[..., 0]).abs()
    away = torch.minimum(meets / crossing.clamp_min(1e-6), torch.maximum(left, right))
    top = _edge(torch.hypot(away, above_m), torch.atan2(above_m, away) - elevation_rad, wavelength_m)
    return 1.0 - sides.clamp(0.0, 1.0) * (top + 0.5)


def _edge(distance_m: torch.Tensor, angle_rad: torch.Tensor, wavelength_m: float) -> torch.Tensor:
    """F of an edge `distance_m` away that the path passes `angle_rad` on the inner side of, from -1/2 to 1/2."""
    detour_m = distance_m * (1.0 - angle_rad.clamp(-math.pi, math.pi).cos())
    return torch.atan(0.5 * math.pi * (detour_m * (math.pi / wavelength_m)).sqrt()).copysign(angle_rad) / math.pi


def _wrap(angle_rad: torch.Tensor) -> torch.Tensor:
    return torch.remainder(angle_rad + math.pi, 2 * math.pi) - math.pi
