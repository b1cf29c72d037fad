"""Planning reports in the twin."""

from __future__ import annotations

import torch

from twin_envs.agents.csi_cell.appraisal import Outlook
from twin_envs.agents.csi_cell.planner import Planner, together
from twin_envs.base.settings import lasting
from twin_envs.base.units import db_to_linear
from twin_envs.csi.nr.dmrs import doppler_factors, effective_channel
from twin_envs.csi.precoding import regularised_zero_forcing
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.view import CsiCellView, csi_view
from twin_envs.twin.protocol import GivesChannels, SensedState, require

_PLACES = 5
_STILL = 3.0
"""A speed of less than so many standard deviations is likely to be noise, and is discounted."""
_TINY = 1e-30


class TwinPlanner(Planner):
    """Plans in the twin: puts the cell's UEs where sensing sees them, precodes for the channels there of the UE and of
    those that share the slots with it, and watches what becomes of its rate in the twin when it moves on and the
    precoder stays.

    The average is over places drawn from the UE's position uncertainty, since a metre away the twin's channel changes
    at another pace. Channels are scaled to the strength that each UE has reported. What a report will get wrong
    is what it gets wrong of the twin's channel.
    """

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Plan for these environments from now on. Raises `ConfigurationError` if their twin gives no channels."""
        self._twin: GivesChannels = require(csi_view(network).twin, GivesChannels, "the policy TwinPlanner")
        super().attach(network)

    def outlook(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> Outlook:
        """What becomes of UE `ue` [N] in the twin as it moves on."""
        state, index = cell.state, torch.arange(len(rows), device=cell.device)
        reported = state.h_hat[rows].abs().square().mean((1, 3))  # [N, U]
        sensed = cell.sensing.position[rows]
        others = self._channel(cell, rows, sensed[:, :, None])[:, :, 0]  # [N, U, F, A]
        strength = others.abs().square().mean((2, 3))
        others = others * (reported / strength.clamp_min(_TINY)).sqrt()[..., None, None]

        mine = cell.sensed(rows, ue)
        angle = torch.arange(_PLACES, device=cell.device) * (2 * torch.pi / _PLACES)
        circle = torch.stack([angle.cos(), angle.sin()], -1)
        ring = circle * mine.position_std_m[:, None, None]
        age_s = torch.tensor(self.ages_slots, device=cell.device) * cell.slot_s
        velocity = self.velocities(mine, circle)
        moved = velocity[:, :, None] * age_s[:, None]
        place = mine.position_m[:, None, None] + ring[:, :, None] + moved  # [N, places, ages, 2]
        h = self._channel(cell, rows, place)  # [N, places, ages, F, A]
        strength = h[:, :, 0].abs().square().mean((2, 3))
        h = h * (reported[index, ue][:, None] / strength.clamp_min(_TINY)).sqrt()[..., None, None, None]
        noise = cell.noise + cell.state.expected_error[rows]
        among = together(cell, rows, ue)
        others = others * among[..., None, None]
        signal, disturbance, own = [], [], []
        for spot in range(_PLACES):
            channels = others.index_put((index, ue), h[:, spot, 0])
            w = regularised_zero_forcing(channels.transpose(1, 2), noise, 1.0)
            power = torch.einsum("nafc,nfcu->nafu", h[:, spot], w).abs().square()
            mine_only = power[index, ..., ue]
            signal.append(mine_only)
            disturbance.append(power.sum(-1) - mine_only + cell.noise)
            own.append(self._moving(cell, rows, place[:, spot, 0], velocity[:, spot], w[index, ..., ue]))
        return Outlook(
            signal=torch.stack(signal, 1),
            disturbance=torch.stack(disturbance, 1),
            weight=(strength > 0).float(),
            stray=reported[index, ue] * (1 - 1 / among.sum(-1)),
            own=torch.stack(own, 1),
            error=self._errors(cell, rows, ue, ring[:, 0]),
            noise=cell.noise,
            present=torch.zeros(len(rows), device=cell.device),
        )

    def velocities(self, sensed: SensedState, circle: torch.Tensor) -> torch.Tensor:
        """Velocities with which UEs go on from places around them, in the directions `circle` [K, 2]: [N, K, 2].

        Here the same for all: what is sensed, less what is likely to be noise.
        """
        speed = sensed.velocity_m_s.norm(dim=-1).clamp_min(1e-6)
        share = (1 - (_STILL * sensed.velocity_std_m_s / speed).square()).clamp_min(0)
        return (sensed.velocity_m_s * share[:, None])[:, None].expand(-1, len(circle), -1)

    def uplink_gain(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """What the twin knows; where it knows nothing, what the reports say, as if nobody interfered."""
        reported = cell.state.h_hat[rows, :, ue].abs().square().mean((1, 2))
        covered = cell.knowledge(rows, ue).covered > 0
        return torch.where(covered, db_to_linear(cell.knowledge(rows, ue)["gain_db"]), reported)

    def _errors(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor, ring_m: torch.Tensor) -> torch.Tensor:
        """`Outlook.error` of the twin's channel somewhere else than where the estimator believes the UE to be.

        Where the twin has no channel, the prior is flat, and the codec does what it does on average.
        """
        where = cell.whereabouts(rows, ue)
        place = where["sensed_m"] + torch.nn.functional.pad(ring_m, (0, 1))
        h = self._twin.channel(place, where["ap"], cell.block_hz, synchronised=True)
        strength = h.abs().square().mean((1, 2))
        reported = cell.state.h_hat[rows, :, ue].abs().square().mean((1, 2))
        h = h * (reported / strength.clamp_min(_TINY)).sqrt()[:, None, None]
        sounded = [c.ports / c.spacing / cell.grid.antennas for c in self.csi_rs]
        missed = 1 - torch.tensor(sounded, device=cell.device)
        average = missed[:, None] + cell.codec_nmse(torch.tensor(self.actions.codeword_lengths, device=cell.device))
        return torch.where((strength > 0)[:, None, None], self.report_errors(cell, rows, ue, h), average)

    def _channel(self, cell: CsiCellView, rows: torch.Tensor, place_m: torch.Tensor) -> torch.Tensor:
        """The twin's channels at `place_m` [N, K, L, 2], complex64 [N, K, L, F, A]."""
        position = cell.geometry.ground.place(place_m)
        ap = cell.state.ap[rows][:, None, None].expand(position.shape[:3]).flatten()
        return self._twin.channel(position.flatten(0, 2), ap, cell.subband_hz).unflatten(0, position.shape[:3])

    def _moving(
        self,
        cell: CsiCellView,
        rows: torch.Tensor,
        place_m: torch.Tensor,
        velocity_m_s: torch.Tensor,
        w: torch.Tensor,
    ) -> torch.Tensor:
        """Effective channels in the twin at `place_m` [N, 2] under `w` [N, F, A], and derivatives: [N, F, 3]."""
        ground = cell.geometry.ground
        position, velocity = ground.place(place_m), ground.velocity(place_m, velocity_m_s)
        paths = self._twin.paths(position, cell.state.ap[rows])
        tracking = cell.config.frequency_tracking
        factors = doppler_factors(paths.arrival, paths.power, velocity, cell.recipe.wavelength_m, tracking)
        return effective_channel(*self._twin.waves(paths, cell.subband_hz), w, factors)
