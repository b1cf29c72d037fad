"""Who the UEs of an episode are, and where they start. Privileged."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import SiteError
from twin_envs.base.streams import Streams
from twin_envs.world.motion import POPULATIONS, Motion, RouteKind, Routes, UserKind, draw_speed, in_vehicle

MOVING_SHARE = 0.7
"""Of walkers, those that walk, and of vehicles those that drive."""
_CANDIDATES = 8
_LEAST_PLACES = 20
_END_SHARE = 0.125
"""No vehicle starts nearer to a route's end, in lengths of the route: it would have turned before (`Motion.start`)."""


class Population(Constant):
    """Draws an episode's AP and UEs.

    Args:
        routes: where UEs move.
        serves: bool [A, R, V]: does AP a serve vertex v of route r?
        population: one of `POPULATIONS`.
        horizon_s: length of an episode; UEs start where they will stay in the cell that long, if they can.

    Raises:
        SiteError: no AP has room for these UEs.
    """

    def __init__(self, routes: Routes, serves: torch.Tensor, population: str, horizon_s: float) -> None:
        self.routes, self.serves, self.horizon_s = routes, serves, horizon_s
        self.population = POPULATIONS.index(population)
        vertex = torch.arange(serves.shape[-1], device=serves.device)
        margin_m = torch.where(routes.kind == RouteKind.DRIVING, _END_SHARE * routes.length_m, 1.0)[:, None]
        inner = (vertex >= margin_m) & (vertex <= routes.length_m[:, None] - margin_m)
        self._places = []
        for kind in RouteKind:
            usable = serves & inner & (routes.kind == kind)[:, None]
            self._places.append([usable[ap].nonzero() for ap in range(len(serves))])
        needed = {"walkers": (RouteKind.WALKING,), "vehicles": (RouteKind.DRIVING,)}.get(population, tuple(RouteKind))
        open_aps = [ap for ap in range(len(serves)) if all(len(self._places[k][ap]) >= _LEAST_PLACES for k in needed)]
        if not open_aps:
            raise SiteError(f"no AP of the site serves places for population {population!r}")
        self._aps = torch.tensor(open_aps, device=serves.device)
        counts = [[len(places) for places in of_kind] for of_kind in self._places]
        self._count = torch.tensor(counts, device=serves.device)
        self._first = self._count.flatten().cumsum(0).view_as(self._count) - self._count
        self._table = torch.cat([places for of_kind in self._places for places in of_kind])

    def start(self, rows: torch.Tensor, motion: Motion, streams: Streams) -> torch.Tensor:
        """Begin trajectories in environments `rows` [N]; returns the AP of each, int64 [N]."""
        num_ue = motion.state.kind.shape[1]
        ap = self._aps[streams.integers(rows, len(self._aps))]
        kind = self._draw_kind(rows, num_ue, streams)
        speed = draw_speed(streams, rows, kind)
        direction = torch.where(streams.uniform(rows, num_ue) < 0.5, -1.0, 1.0)
        ground = in_vehicle(kind).long()  # a `RouteKind`
        draw = streams.uniform(rows, num_ue, _CANDIDATES).double()
        count, first = self._count[ground, ap[:, None]], self._first[ground, ap[:, None]]
        place = self._table[first[..., None] + (draw * count[..., None]).long()]  # [N, U, candidates, 2]
        length = self.routes.length_m[place[..., 0]]
        end = place[..., 1] + ((direction * speed)[..., None] * self.horizon_s).long()
        stays = (end >= 0) & (end <= length)
        end = torch.minimum(end.clamp_min(0), length.long())
        stays &= self.serves[ap[:, None, None], place[..., 0], end]
        best = stays.float().argmax(-1, keepdim=True)[..., None].expand(-1, -1, 1, 2)
        route, offset = place.gather(2, best)[:, :, 0].unbind(-1)
        phase = streams.uniform(rows, num_ue) * (2 * torch.pi)
        motion.start(
            rows, kind=kind, route=route, offset_m=offset, speed_m_s=speed, direction=direction, phase_rad=phase
        )
        return ap

    def _draw_kind(self, rows: torch.Tensor, num_ue: int, streams: Streams) -> torch.Tensor:
        """Kinds of user, int64 [N, U], each a `UserKind`."""
        drawn = 1 + streams.integers(rows, 3)
        population = drawn if self.population == 0 else torch.full_like(drawn, self.population)
        share = torch.tensor([0.0, 0.0, 1.0, 0.5], device=rows.device)[population]
        vehicle = streams.uniform(rows, num_ue) < share[:, None]
        still = streams.uniform(rows, num_ue) >= MOVING_SHARE
        moving = torch.where(vehicle, UserKind.DRIVING, UserKind.WALKING)
        return torch.where(still, torch.where(vehicle, UserKind.PARKED, UserKind.STANDING), moving)
