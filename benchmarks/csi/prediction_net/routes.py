"""UEs on routes of a world that is drawn, and their reports."""

from __future__ import annotations

import math
from typing import Any

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.site_codec import load_site_codec
from twin_envs.csi.prediction.protocol import Report
from twin_envs.csi.split import held_out_links
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.twin.knowledge import SensedState
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.motion import Motion, UserKind
from twin_envs.world.store.site import Site

CODEC = "path"
VELOCITY_STD_M_S = 0.15
_POSITION_STD_M = (0.6, 4.5)
_WALKING_M_S, _DRIVING_M_S = (0.6, 2.0), (4.0, 14.0)
_TRIES = 8


class Routes:
    """N UEs on routes that are heard by their APs all the time, and move on from their last report.

    Args:
        site: where.
        atlas: the world that they are in.
        network: what a cell of the site knows (`CsiCellView`).
        kind: walking or driving.
        count: N.
        earliest: slot of the first report, 0 at the last one.
        latest: slot of the last channel.
        held_out: whether they are on the links kept for scoring.
        lost: share of UEs for which the twin is asked about the place of another.
        generator: of all that is drawn.

    Raises:
        ConfigurationError: there are no such UEs.
    """

    def __init__(
        self,
        site: Site,
        atlas: Atlas,
        network: Any,
        *,
        kind: UserKind,
        count: int,
        earliest: int,
        latest: int,
        held_out: bool,
        lost: float,
        generator: torch.Generator,
    ) -> None:
        self._site, self._atlas, self._network, self._earliest = site, atlas, network, earliest
        tried, routes = _TRIES * count, site.routes
        on = (routes.kind == (0 if kind == UserKind.WALKING else 1)).nonzero()[:, 0]
        if not len(on):
            raise ConfigurationError(f"site must have routes for UEs that are {kind.name.lower()}")

        def uniform(*size: int) -> torch.Tensor:
            return torch.rand(*size, generator=generator)

        low, high = _WALKING_M_S if kind == UserKind.WALKING else _DRIVING_M_S
        route = on[torch.randint(len(on), (tried, 1), generator=generator)]
        self._motion = Motion(routes, tried, 1)
        self._motion.start(
            torch.arange(tried),
            kind=torch.full((tried, 1), int(kind)),
            route=route,
            offset_m=uniform(tried, 1) * routes.length_m[route],
            speed_m_s=low + (high - low) * uniform(tried, 1),
            direction=uniform(tried, 1).sub(0.5).sign(),
            phase_rad=2 * math.pi * uniform(tried, 1),
        )
        every = torch.arange(tried)
        here = atlas.geometry.cell(self._at(every, 0)[0])
        gain, ap = atlas.gain[:, here.clamp_min(0)].max(0)
        found = (here >= 0) & (gain > 0) & (held_out_links(atlas)[ap, here.clamp_min(0)] == held_out)
        for slots in (earliest, latest):
            there = atlas.geometry.cell(self._at(every, slots)[0])
            found = found & (there >= 0) & (atlas.gain[ap, there.clamp_min(0)] > 0)
        self._rows = found.nonzero()[:count, 0]
        if not len(self._rows):
            raise ConfigurationError(
                f"site must have UEs that an AP hears on its routes; {site.recipe.name!r} has none"
            )
        self._ap, self.count = ap[self._rows], len(self._rows)
        low, high = _POSITION_STD_M
        self._std_m = low + (high - low) * uniform(self.count)
        self._wrong_m = self._std_m[:, None] * torch.randn(self.count, 2, generator=generator)
        self._asked = torch.arange(self.count)
        self._asked = torch.where(uniform(self.count) < lost, self._asked.roll(1), self._asked)
        self._wrong_m_s = VELOCITY_STD_M_S * torch.randn(self.count, 2, generator=generator)
        self._generator = generator

    def channels(self, slots: int, offset_hz: torch.Tensor) -> torch.Tensor:
        """Channels, complex64 [N, F, antennas], so many slots after the last report."""
        paths = self._atlas.paths(self._at(self._rows, slots)[0], self._ap)
        return self._atlas.channel(paths, offset_hz, paths.first_m)

    def report(self, slots: int, bits: int | None) -> Report:
        """What is reported of channels in a slot: the channels themselves, in any phase, or so many bits of `CODEC`."""
        network, device = self._network, self._site.device
        position, velocity = self._at(self._rows, slots)
        one = torch.ones(self.count)
        sensed = SensedState(
            position_m=position[:, :2] + self._wrong_m,
            velocity_m_s=velocity[:, :2] + self._wrong_m_s,
            position_std_m=self._std_m,
            velocity_std_m_s=VELOCITY_STD_M_S * one,
        )
        if bits is None:
            phase = 2 * math.pi * torch.rand(self.count, generator=self._generator)
            h = self.channels(slots, network.subband_hz) * torch.polar(one, phase)[:, None, None]
            nmse = 0 * one
        else:
            known, length = load_site_codec(CODEC, self._site, device), torch.full((self.count,), bits)
            x = to_angle_delay(self.channels(slots, network.block_hz), angle_delay_grid(self._site))
            h = known.codec.report(x, SideInformation(codeword_bits=length), network.subband)
            nmse = known.nmse(length)
        return Report(
            h=h,
            measured_slots=torch.full((self.count,), slots),
            nmse=nmse,
            sensed=sensed,
            position_m=network.geometry.ground.place(sensed.position_m)[self._asked],
            ap=self._ap[self._asked],
        )

    def _at(self, rows: torch.Tensor, slots: int) -> tuple[torch.Tensor, torch.Tensor]:
        time_s = torch.full((len(rows),), slots - self._earliest, dtype=torch.float64) * self._network.slot_s
        position, velocity = self._motion.at(rows, time_s)
        return position[:, 0], velocity[:, 0]
