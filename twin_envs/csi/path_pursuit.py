"""The strongest paths of channels that are known at a part of the blocks: orthogonal matching pursuit, for a batch.

All gains are fitted anew each time, and each path's share of the energy is told. Codecs, which see all blocks and want
the paths alone, have a faster search (`codecs.path.pursuit`).
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.csi.waves import DELAYS_PER_TAP, RIDGE, among, beams, gram, waves

_GIVEN_RIDGE = 1e-2
"""`RIDGE` where the paths were chosen for another channel."""


class BlockDictionary(Constant):
    """Plane waves of every delay and beam that evenly spaced blocks can tell apart, each of norm 1 at these.

    The index of a path is its delay times `beams` plus its beam.

    Args:
        grid: sizes of a channel.
        device: where it computes.
        block: where channels are known, evenly spaced, in blocks [F]; None for all blocks. Delays then lie in a window
            that these can tell apart.

    Attributes:
        delays: their number D.
        beams: their number S, `rows` times `columns`.
        period_taps: delays that differ by so much are one.
    """

    def __init__(self, grid: AngleDelayGrid, device: torch.device, block: torch.Tensor | None = None) -> None:
        place = torch.arange(grid.blocks) if block is None else block.cpu()
        self.period_taps = grid.blocks / float(place[1] - place[0]) if len(place) > 1 else 1 / DELAYS_PER_TAP
        window = min(grid.taps, self.period_taps)
        self._first_tap = -(grid.precursor_taps if block is None else int(window * grid.precursor_taps / grid.taps))
        tap = torch.arange(int(window * DELAYS_PER_TAP), dtype=torch.float64) / DELAYS_PER_TAP + self._first_tap
        delay = waves(-place.double(), tap / grid.blocks)  # [D, F]
        self.rows, self.columns, beam = beams(grid)  # [S, antennas]
        self.delays, self.beams = len(delay), len(beam)
        self._delay, self._beam, self._delay_gram, self._beam_gram = (
            matrix.to(device, torch.complex64) for matrix in (delay, beam, gram(delay), gram(beam))
        )

    def pursue(self, h: torch.Tensor, paths: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The paths that leave least of channels when one after the other is taken, all gains fitted anew each time.

        Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad, "Orthogonal matching pursuit", 1993).

        Args:
            h: complex64 [N, F, antennas], at the blocks of the dictionary.
            paths: how many, K.

        Returns:
            index of each path, int64 [N, K]; the gains of the first 1 to K paths, each fitted without those that come
            later, complex64 [N, K, K], 0 for these.
        """
        every = (self._delay.conj() @ h) @ self._beam.mH  # [N, D, S]
        rows, left = torch.arange(len(h), device=h.device)[:, None], every
        delay = torch.zeros(len(h), 0, dtype=torch.int64, device=h.device)
        beam, gains = delay, torch.zeros(len(h), paths, paths, dtype=torch.complex64, device=h.device)
        for count in range(paths):
            best = squared_magnitude(left).flatten(1).argmax(1, keepdim=True)
            delay = torch.cat([delay, best // self.beams], 1)
            beam = torch.cat([beam, best % self.beams], 1)
            gain = torch.linalg.solve(self._gram(delay, beam, RIDGE), every[rows, delay, beam])
            gains[:, count, : count + 1] = gain
            if count + 1 < paths:
                taken = (self._delay_gram.mT[delay] * gain[..., None]).mT  # [N, D, K]
                left = every - taken @ self._beam_gram.mT[beam]
        return delay * self.beams + beam, gains

    def _gram(self, delay: torch.Tensor, beam: torch.Tensor, ridge: float) -> torch.Tensor:
        """Gram matrices of paths, complex64 [N, K, K], and `ridge` on the diagonal."""
        products = among(self._delay_gram, delay) * among(self._beam_gram, beam)
        return products + ridge * torch.eye(delay.shape[1], device=delay.device)

    def fit(self, h: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Gains of given paths that leave least of other channels.

        Args:
            h: R channels of each of N UEs, complex64 [N, R, F, antennas].
            index: of its paths, int64 [N, K].

        Returns:
            complex64 [N, R, K].
        """
        delay, beam = self.waves(index)
        met = torch.einsum("nkf,nrfa,nka->nkr", delay.conj(), h, beam.conj())
        return torch.linalg.solve(self._gram(index // self.beams, index % self.beams, _GIVEN_RIDGE), met).mT

    def waves(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors of paths, complex64 [..., F] over frequencies and [..., antennas], for an index [...]."""
        return self._delay[index // self.beams], self._beam[index % self.beams]

    def places(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Delay [taps], and growth of the phase from row to row and from column to column [cycles], of paths."""
        beam = index % self.beams
        delay = (index // self.beams) / DELAYS_PER_TAP + self._first_tap
        return delay, beam // self.columns / self.rows, beam % self.columns / self.columns

    def channels(self, index: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """The channels of paths, complex64 [N, F, antennas], from index and gain [N, K] each."""
        delay, beam = self.waves(index)
        return (delay * gain[..., None]).mT @ beam
