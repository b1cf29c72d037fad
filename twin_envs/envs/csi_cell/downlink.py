"""The downlink of B cells: the precoder and the rates that the cell chooses, and what they deliver.

Privileged: delivers over the true channel (see `READS_REALITY`).
"""

from __future__ import annotations

import torch

from twin_envs.base.chunks import chunks
from twin_envs.base.units import SYMBOLS_PER_SLOT
from twin_envs.csi.nr.dmrs import equalised_sinr
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.links import BLOCKS
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, CsiCellView
from twin_envs.envs.reality.cell import Reality

LINK_SLOTS = 10
"""The link is evaluated at least this often [slots], and link adaptation follows as often."""
LINK_SAMPLES = 16
"""Most evaluations in one window; a longer window is sampled more sparsely."""
_PAIRS = 400
"""Pairs of environment and time that are computed at once."""


class Downlink:
    """All UEs of a cell are served at once, each with the rate that link adaptation chooses for it.

    Args:
        core: the cells; link adaptation and random numbers are theirs.
        network: the network's view; the precoder and what was acknowledged are noted there.
        reality: the channels that are.
    """

    def __init__(self, core: Core, network: CsiCellView, reality: Reality) -> None:
        self.core, self.network, self.reality, self.device = core, network, reality, core.device
        self._age_edges_slots = torch.tensor(AGE_EDGES_SLOTS, device=self.device)

    def precode(self, rows: torch.Tensor) -> None:
        """Precoder and expected SINR of cells `rows` [N] from the CSI that they have.

        The power that each UE is expected to catch because its CSI is not exact counts as noise.
        """
        state = self.network.state
        h_hat, noise = state.h_hat[rows], self.network.noise + state.expected_error[rows]
        w = regularised_zero_forcing(h_hat, noise, 1.0)
        state.w[rows] = w
        state.expected_sinr[rows] = signal_to_interference(h_hat, w, noise).mT

    def transmit(self, rows: torch.Tensor, start: torch.Tensor, until: torch.Tensor, downlink: torch.Tensor) -> None:
        """Transmit from slot `start` to slot `until` [N], in `downlink` [N] of these slots, to all UEs.

        Link adaptation keeps an offset for each range of CSI ages, so a UE's MCS falls as its CSI ages.
        """
        network, state, slots = self.network, self.network.state, until - start
        count = ((slots + LINK_SLOTS - 1) // LINK_SLOTS).clamp(1, LINK_SAMPLES)
        samples = int(count.max())
        env, sample = (torch.arange(samples, device=self.device) < count[:, None]).nonzero(as_tuple=True)
        time_slots = start[env] + slots[env] * (sample + 0.5) / count[env]
        uniform = self.core.streams.uniform(rows, samples, network.config.num_ue, BLOCKS)
        time_s = time_slots * network.slot_s
        sinr = torch.empty(len(env), network.config.num_ue, len(network.subband_hz), device=self.device)
        for chunk in chunks(len(env), _PAIRS, self.device):
            sinr[chunk] = self._sinr(rows[env[chunk]], time_s[chunk])
        state.acknowledged[rows] = state.bits_per_re[rows] = 0.0
        for index in range(samples):
            now = (sample == index).nonzero()[:, 0]
            among = env[now]
            cell = rows[among]
            age_slots = time_slots[now, None] - state.report_slots[cell]
            band = torch.bucketize(age_slots, self._age_edges_slots, right=True)[..., None]
            sent, offset_db = self.core.send(
                state.expected_sinr[cell],
                sinr[now],
                state.offset_db[cell].gather(-1, band)[..., 0],
                uniform[among, index],
                (downlink / count)[among, None],
            )
            state.offset_db[cell] = state.offset_db[cell].scatter(-1, band, offset_db[..., None])
            state.acknowledged[cell] += sent.acknowledged / count[among, None]
            state.bits_per_re[cell] += sent.bits_per_re / count[among, None]

    def _sinr(self, rows: torch.Tensor, time_s: torch.Tensor) -> torch.Tensor:
        """SINR at `time_s` [M] in cells `rows` [M], float32 [M, U, F]."""
        network = self.network
        w = network.state.w[rows]
        h, own = self.reality.served(rows, time_s, network.subband_hz, w)
        noise = torch.full(h.shape[:2], network.noise, device=self.device)
        sinr = signal_to_interference(h.transpose(1, 2), w, noise).mT
        additional = network.state.dmrs_additional[rows][..., None]
        return equalised_sinr(sinr, own, additional, network.slot_s / SYMBOLS_PER_SLOT)
