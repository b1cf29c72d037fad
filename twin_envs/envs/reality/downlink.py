"""The downlink of B cells: the precoder and the rates that the cell chooses, and what they deliver.

Privileged: delivers over the true channel (see `READS_REALITY`).
"""

from __future__ import annotations

import torch

from twin_envs.base.chunks import blocks
from twin_envs.base.streams import Streams
from twin_envs.base.units import SYMBOLS_PER_SLOT
from twin_envs.csi.link import Link
from twin_envs.csi.nr.dmrs import equalised_sinr
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, Known
from twin_envs.envs.reality.cell import Reality

LINK_SLOTS = 10
"""The link is evaluated at least this often [slots], and link adaptation follows as often."""
LINK_SAMPLES = 16
"""Most evaluations in one window; a longer window is sampled more sparsely."""
BLOCKS = 5
"""Transport blocks of which each evaluation of the link draws the fate, for each UE."""
_PAIRS = 400
"""Pairs of environment and time that are computed at once."""


class Downlink:
    """All UEs of a cell are served at once, each with the rate that link adaptation chooses for it.

    Args:
        known: the network's view; what was acknowledged is noted there.
        reality: the channels that are.
        link: from SINR to bits.
        streams: random numbers.
        subband_hz: baseband frequency at which each subband is represented [F].
        slot_s: duration of a slot.
    """

    def __init__(
        self, known: Known, reality: Reality, link: Link, streams: Streams, subband_hz: torch.Tensor, slot_s: float
    ) -> None:
        self.known, self.reality, self.link, self.streams = known, reality, link, streams
        self.subband_hz, self.slot_s, self.device = subband_hz, slot_s, subband_hz.device
        num_envs, subbands, num_ue, antennas = known.h_hat.shape
        self.w = torch.zeros(num_envs, subbands, antennas, num_ue, dtype=torch.complex64, device=self.device)
        """The precoder in use, [B, F, A, U], of unit power in all."""
        self.expected_sinr = torch.zeros(num_envs, num_ue, subbands, device=self.device)
        """SINR by the CSI that the cell has, linear, [B, U, F]."""
        self._age_edges_slots = torch.tensor(AGE_EDGES_SLOTS, device=self.device)

    def precode(self, rows: torch.Tensor, error: torch.Tensor) -> None:
        """Precoder and expected SINR of cells `rows` [N] from the CSI that they have.

        Args:
            rows: int64 [N].
            error: power that each UE is expected to catch because its CSI is not exact [N, U]; counts as noise.
        """
        h_hat, noise = self.known.h_hat[rows], self.reality.noise + error
        w = regularised_zero_forcing(h_hat, noise, 1.0)
        self.w[rows] = w
        self.expected_sinr[rows] = signal_to_interference(h_hat, w, noise).mT

    def state_tensors(self) -> list[torch.Tensor]:
        """All that tells one environment from another, beside what is known, [B, ...] each."""
        return [self.w, self.expected_sinr]

    def transmit(self, rows: torch.Tensor, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Transmit from slot `start` to slot `until` [N]; returns bits per resource element of each UE [N, U].

        Link adaptation keeps an offset for each range of CSI ages, so a UE's MCS falls as its CSI ages.
        """
        known, slots = self.known, until - start
        count = ((slots + LINK_SLOTS - 1) // LINK_SLOTS).clamp(1, LINK_SAMPLES)
        samples = int(count.max())
        env, sample = (torch.arange(samples, device=self.device) < count[:, None]).nonzero(as_tuple=True)
        time_slots = start[env] + slots[env] * (sample + 0.5) / count[env]
        uniform = self.streams.uniform(rows, samples, known.h_hat.shape[2], BLOCKS)
        time_s = time_slots * self.slot_s
        sinr = torch.empty(len(env), known.h_hat.shape[2], len(self.subband_hz), device=self.device)
        for block in blocks(len(env), _PAIRS, self.device):
            sinr[block] = self._sinr(rows[env[block]], time_s[block])
        known.acknowledged[rows] = known.bits_per_re[rows] = 0.0
        for index in range(samples):
            now = (sample == index).nonzero()[:, 0]
            among = env[now]
            cell = rows[among]
            age_slots = time_slots[now, None] - known.report_slots[cell]
            band = torch.bucketize(age_slots, self._age_edges_slots, right=True)[..., None]
            offset_db = known.offset_db[cell].gather(-1, band)[..., 0]
            mcs = self.link.choose_mcs(self.expected_sinr[cell], offset_db)
            sent = self.link.deliver(mcs, sinr[now], uniform[among, index])
            offset_db = self.link.outer_loop(offset_db, sent.acknowledged, (slots / count)[among, None])
            known.offset_db[cell] = known.offset_db[cell].scatter(-1, band, offset_db[..., None])
            known.acknowledged[cell] += sent.acknowledged / count[among, None]
            known.bits_per_re[cell] += sent.bits_per_re / count[among, None]
        return known.bits_per_re[rows]

    def _sinr(self, rows: torch.Tensor, time_s: torch.Tensor) -> torch.Tensor:
        """SINR at `time_s` [M] in cells `rows` [M], float32 [M, U, F]."""
        w = self.w[rows]
        h, own = self.reality.served(rows, time_s, self.subband_hz, w)
        noise = torch.full(h.shape[:2], self.reality.noise, device=self.device)
        sinr = signal_to_interference(h.transpose(1, 2), w, noise).mT
        return equalised_sinr(sinr, own, self.known.dmrs_additional[rows][..., None], self.slot_s / SYMBOLS_PER_SLOT)
