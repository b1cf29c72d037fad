"""The downlink of B cells: the precoder and the rates that the cell chooses, and what they deliver.

Privileged: delivers over the true channel (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from twin_envs.base.chunks import chunks
from twin_envs.base.units import SYMBOLS_PER_SLOT, db_to_linear, squared_magnitude
from twin_envs.csi.link import learn_by_age
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS, equalised_sinr
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.csi.scheduling import (
    aggregation_level,
    average_rate,
    control_elements,
    select_all,
    select_proportional_fair,
)
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.links import TRANSPORT_BLOCKS
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, CsiCellView
from twin_envs.envs.reality.cell import Reality

FAIRNESS_SLOTS = 200
"""Memory of proportional fairness: 0.1 s at 30 kHz, about what a user notices."""
LINK_SLOTS = 10
"""The link is evaluated at least this often [slots], and link adaptation follows as often."""
LINK_SAMPLES = 16
"""Most evaluations in one window; a longer window is sampled more sparsely."""
_PAIRS = 400
"""Pairs of environment and time that are computed at once."""


class Quality(NamedTuple):
    """How link adaptation did in N cells, over the UEs that were scheduled.

    Attributes:
        bler: share of transport blocks that were lost when they were sent first, UEs in outage left out, float32 [N].
        outage: share of UEs and time in which no MCS met the BLER target, float32 [N].
    """

    bler: torch.Tensor
    outage: torch.Tensor


class Downlink:
    """The UEs that the scheduler picks are served at once, each with the rate that link adaptation chooses for it.

    Who is picked is decided with each precoder, that is with each report.

    Args:
        core: the cells; link adaptation and random numbers are theirs.
        network: the network's view; the precoder and what was acknowledged are noted there.
        reality: the channels that are.
    """

    def __init__(self, core: Core, network: CsiCellView, reality: Reality) -> None:
        self.core, self.network, self.reality, self.device = core, network, reality, core.device
        self._age_edges_slots = torch.tensor(AGE_EDGES_SLOTS, device=self.device)

    def precode(self, rows: torch.Tensor) -> None:
        """Schedule, precode and expect a SINR in cells `rows` [N], by the CSI that they have.

        The power that each UE is expected to catch because its CSI is not exact counts as noise.
        """
        state = self.network.state
        h_hat, error = self.network.predicted(rows, state.now_slots[rows])
        state.scheduled[rows] = scheduled = self._schedule(rows, h_hat, self.network.noise + error)
        state.w[rows], state.expected_sinr[rows] = self._precoder(h_hat, error, scheduled)

    def _precoder(
        self, h_hat: torch.Tensor, error: torch.Tensor, scheduled: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The precoder [N, F, A, U] for those `scheduled` [N, U], and the SINR expected [N, U, F] (see `predicted`)."""
        served = h_hat * scheduled[:, None, :, None]
        w = regularised_zero_forcing(served, self.network.noise + error, 1.0)
        return w, self._expected(served, error, w)

    def _expected(self, served: torch.Tensor, error: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """The SINR [N, U, F] that the cell expects of a precoder for channels that are 0 of who is not scheduled."""
        return signal_to_interference(served, w, self.network.noise + error).mT

    def _schedule(self, rows: torch.Tensor, h_hat: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Who shares the slots until the next report, bool [N, U].

        A UE is expected to get what link adaptation will grant it: its offset counts as noise. Else a UE whose blocks
        are lost would be expected to get much, get little, and so be scheduled again and again.
        """
        config = self.network.config
        if config.scheduler == "all":
            return select_all(h_hat)
        state = self.network.state
        age_slots = state.now_slots[rows, None] - state.report_slots[rows]
        offset_db = state.offset_db[rows].gather(-1, self._band(age_slots)[..., None])[..., 0]
        power = squared_magnitude(h_hat).mean((1, 3))  # PDCCH is sent without CSI
        budget = control_elements(self.network.carrier_blocks, CONTROL_SYMBOLS)
        return select_proportional_fair(
            h_hat[:, ::2],
            noise * db_to_linear(offset_db),
            state.average_rate[rows],
            power=1.0,
            most=config.most_at_once,
            elements=aggregation_level(power / self.network.noise).clamp_max(budget),  # the weakest get all there is
            budget=budget,
        )

    def transmit(
        self, rows: torch.Tensor, start: torch.Tensor, until: torch.Tensor, downlink_slots: torch.Tensor
    ) -> Quality:
        """Transmit from slot `start` to slot `until` [N], in `downlink_slots` [N] of these, to the scheduled UEs.

        Link adaptation keeps an offset for each range of CSI ages, so a UE's MCS falls as its CSI ages.
        """
        network, state, link = self.network, self.network.state, self.core.link
        count = ((until - start + LINK_SLOTS - 1) // LINK_SLOTS).clamp(1, LINK_SAMPLES)
        longest = count.argsort(descending=True, stable=True)  # so that those still transmitting are always the first
        rows, start, slots, count = rows[longest], start[longest], (until - start)[longest], count[longest]
        sample, env = (torch.arange(LINK_SAMPLES, device=self.device)[:, None] < count).nonzero(as_tuple=True)
        transmitting = sample.bincount().tolist()
        time_slots = start[env] + slots[env] * (sample + 0.5) / count[env]
        uniform = self.core.streams.uniform(rows, len(transmitting), network.config.num_ue, TRANSPORT_BLOCKS)
        cell = rows[env]
        sinr = torch.empty(len(env), network.config.num_ue, len(network.subband_hz), device=self.device)
        promised = torch.empty_like(sinr)
        for chunk in chunks(len(env), _PAIRS, self.device):
            sinr[chunk], promised[chunk] = self._sinr(cell[chunk], time_slots[chunk])
        scheduled, offset_db = state.scheduled[rows], state.offset_db[rows]
        band = self._band(time_slots[:, None] - state.report_slots[cell])
        blocks = ((downlink_slots[longest] / count)[:, None] * scheduled)[env]
        parts = (sinr, promised, band, blocks, link.in_outage(sinr).float(), (1 / count)[env, None])
        told = torch.zeros(4, *scheduled.shape, device=self.device)
        for index, part in enumerate(zip(*(of_all.split(transmitting) for of_all in parts), strict=True)):
            met, expected, its_band, its_blocks, in_outage, share = part
            first = slice(len(met))
            before = offset_db[first]
            mcs = link.choose_mcs(expected, before.gather(-1, its_band[..., None])[..., 0])
            sent = link.deliver(mcs, met, uniform[first, index])
            offset_db[first] = learn_by_age(link, before, its_band, sent.acknowledged, its_blocks)
            told[:, first] += torch.stack([sent.acknowledged, sent.bits_per_re, sent.granted_per_re, in_outage]) * share
        acknowledged, bits_per_re, granted, outage = told
        state.offset_db[rows], state.bits_per_re[rows] = offset_db, bits_per_re * scheduled
        state.acknowledged[rows] = torch.where(scheduled, acknowledged, state.acknowledged[rows])
        state.average_rate[rows] = average_rate(
            state.average_rate[rows], granted * scheduled, slots[:, None], FAIRNESS_SLOTS
        )
        sent_to, adapted = scheduled.sum(-1).clamp_min(1), scheduled * (outage == 0)
        bler = ((1 - acknowledged) * adapted).sum(-1) / adapted.sum(-1).clamp_min(1)
        back = longest.argsort()
        return Quality(bler=bler[back], outage=((outage * scheduled).sum(-1) / sent_to)[back])

    def _band(self, age_slots: torch.Tensor) -> torch.Tensor:
        """The range of CSI ages for which link adaptation has an offset, int64 of the shape of `age_slots`."""
        return torch.bucketize(age_slots, self._age_edges_slots, right=True)

    def _sinr(self, rows: torch.Tensor, time_slots: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """SINR at `time_slots` [M] in cells `rows` [M] and what the cell expects of it, float32 [M, U, F] each.

        Where the cell predicts how channels go on, the precoder follows.
        """
        network, state = self.network, self.network.state
        h_hat, error = network.predicted(rows, time_slots)
        if network.predicts:
            w, promised = self._precoder(h_hat, error, state.scheduled[rows])
        else:
            w = state.w[rows]
            promised = self._expected(h_hat * state.scheduled[rows][:, None, :, None], error, w)
        h, own = self.reality.served(rows, time_slots * network.slot_s, network.subband_hz, w)
        noise = torch.full(h.shape[:2], network.noise, device=self.device)
        sinr = signal_to_interference(h.transpose(1, 2), w, noise).mT
        additional = network.state.dmrs_additional[rows][..., None]
        return equalised_sinr(sinr, own, additional, network.slot_s / SYMBOLS_PER_SLOT), promised
