"""The world in which the networks live. Privileged."""

from __future__ import annotations

import math

import torch

from twin_envs.base.streams import Streams
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, slot_duration_s
from twin_envs.csi.joint import SRS_PERIOD_SLOTS, joint_sinr, local_precoders, offsets_hz
from twin_envs.csi.nr.uplink import noise_per_subcarrier_dbm
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.motion import Motion
from twin_envs.world.recipe import SiteRecipe

SRS_COMB = 4
"""Uplink pilots are on every fourth subcarrier (TS 38.211, 6.4.1.4.2)."""
_HEARD = 2.0
"""An AP that receives a UE's pilots with less than so many times the power of noise alone does not hear it."""


class NetworkReality:
    """True positions and channels of B networks with U UEs and A APs each.

    Args:
        atlas: of the world in which the networks live.
        motion: true trajectories; time 0 is the episode's start.
        recipe: the site.
        ue_power_dbm: power with which UEs send pilots.

    Attributes:
        noise: noise of a UE over the transmit power of an AP, both per resource element; linear.
        uplink_noise_dbm: noise of an AP in a subcarrier.
        srs_noise: variance of the error of an estimated channel, whose unit is the path gain.
        offset_hz: baseband frequencies at which channels are looked at [F].
    """

    def __init__(self, atlas: Atlas, motion: Motion, recipe: SiteRecipe, ue_power_dbm: float) -> None:
        self.atlas, self.motion = atlas, motion
        self.noise = noise_to_power(recipe)
        self._slot_s = slot_duration_s(recipe.subcarrier_spacing_hz)
        self.uplink_noise_dbm = noise_per_subcarrier_dbm(recipe.subcarrier_spacing_hz)
        # The pilots of a block are averaged: it is narrower than the channel's coherence bandwidth.
        in_block = SUBCARRIERS_PER_BLOCK // SRS_COMB
        power_dbm = ue_power_dbm - 10 * math.log10(recipe.csi_blocks * in_block)
        self.srs_noise = 10 ** ((self.uplink_noise_dbm - power_dbm) / 10) / in_block
        self.offset_hz = offsets_hz(recipe, atlas.device)

    def position(self, rows: torch.Tensor, time_s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """True positions and velocities [N, U, 3] in environments `rows` [N] at `time_s` [N]."""
        return self.motion.at(rows, time_s)

    def sounded(self, rows: torch.Tensor, time_s: torch.Tensor) -> torch.Tensor:
        """Where the UEs of environments `rows` [N] were when they last sent pilots before `time_s` [N]: [N, U, 3].

        At the start of an episode, where nobody has yet, they send them at once.
        """
        num_ue = self.motion.state.kind.shape[1]
        turn = torch.arange(num_ue, device=rows.device) * (SRS_PERIOD_SLOTS / num_ue)
        slots = time_s.double()[:, None] / self._slot_s
        last = torch.floor((slots - turn) / SRS_PERIOD_SLOTS) * SRS_PERIOD_SLOTS + turn
        position, _ = self.position(rows, last.clamp_min(0.0) * self._slot_s)  # [N, time, U, 3]
        return position.diagonal(dim1=1, dim2=2).mT

    def channels(self, position_m: torch.Tensor) -> torch.Tensor:
        """Channels of all APs to UEs at `position_m` [N, K, 3], complex64 [N, K, A, F, antennas]."""
        return self.atlas.links(position_m.flatten(0, 1), self.offset_hz).unflatten(0, position_m.shape[:2])

    def estimate(self, h: torch.Tensor, rows: torch.Tensor, streams: Streams) -> torch.Tensor:
        """What APs make of uplink pilots: `h` [N, K, A, F, antennas] in noise; 0 where an AP does not hear the UE."""
        noisy = streams.complex_normal(rows, *h.shape[1:]).mul_(math.sqrt(self.srs_noise)).add_(h)
        power = torch.view_as_real(noisy).square().sum(-1).mean((-2, -1))
        return noisy.mul_((power >= _HEARD * self.srs_noise)[..., None, None])

    def sinr(self, rows: torch.Tensor, time_s: torch.Tensor, serving: torch.Tensor, streams: Streams) -> torch.Tensor:
        """SINR of all UEs of environments `rows` [N] at `time_s` [N] when `serving` [N, U, A] do, float32 [N, U, F].

        Precoders are made from the last pilots of each UE, which has moved since.
        """
        position, _ = self.position(rows, time_s)
        h_hat = self.estimate(self.channels(self.sounded(rows, time_s)), rows, streams)
        return joint_sinr(self.channels(position), local_precoders(h_hat, serving, self.noise), self.noise)

    def measured_gain(self, rows: torch.Tensor, position_m: torch.Tensor, streams: Streams) -> torch.Tensor:
        """Gain of each AP's antennas that one UE at `position_m` [N, 3] measures in downlink pilots [N, A].

        Mean over subbands and antennas of the received power, less that of noise; 0 where that is all.
        """
        h = self.channels(position_m[:, None])[:, 0]
        noise = streams.complex_normal(rows, *h.shape[1:]).mul_(math.sqrt(self.noise))
        power = torch.view_as_real(noise.add_(h)).square().sum(-1).mean((-2, -1))
        return (power - self.noise).mul_(power >= _HEARD * self.noise)
