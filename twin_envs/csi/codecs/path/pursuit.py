"""The strongest paths of a channel: orthogonal matching pursuit over delays and beams, for a batch at once."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.transforms import AngleDelayGrid

DELAYS_PER_TAP = 2
BEAMS_PER_ROW, BEAMS_PER_COLUMN = 2, 4
"""Beams for each row and column of the array; one where there is a single row or column."""
_RIDGE = 1e-4
"""Added to the Gram matrix of chosen paths, which are of norm 1: neighbours are nearly the same."""


class Dictionary(Constant):
    """Plane waves of every delay and beam that a report can name, each of norm 1.

    Delays are those that the window of `crop` holds, in halves of a tap; beams are a uniform grid in the phase steps
    between rows and between columns.

    Args:
        grid: sizes of a channel.
        device: where it computes.

    Attributes:
        delays: their number D.
        beams: their number S, `rows` times `columns`.
    """

    def __init__(self, grid: AngleDelayGrid, device: torch.device) -> None:
        blocks = torch.arange(grid.blocks, dtype=torch.float64)
        tap = torch.arange(grid.taps * DELAYS_PER_TAP, dtype=torch.float64) / DELAYS_PER_TAP - grid.precursor_taps
        delay = _waves(-blocks, tap / grid.blocks)  # [blocks, D]
        self.rows = grid.rows * BEAMS_PER_ROW if grid.rows > 1 else 1
        self.columns = grid.columns * BEAMS_PER_COLUMN if grid.columns > 1 else 1
        row, column = (
            _waves(torch.arange(size, dtype=torch.float64), torch.arange(count, dtype=torch.float64) / count)
            for size, count in ((grid.rows, self.rows), (grid.columns, self.columns))
        )
        beam = torch.kron(row, column)  # [antennas, S]
        self.delays, self.beams = delay.shape[1], beam.shape[1]
        self.delay, self.beam = delay.to(device, torch.complex64), beam.to(device, torch.complex64)
        self._delay_gram = (delay.mH @ delay).to(device, torch.complex64)
        self._beam_gram = (beam.mH @ beam).to(device, torch.complex64)

    def pursue(self, h: torch.Tensor, paths: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The paths that leave least of channels when one after the other is taken, all gains fitted anew each time.

        Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad, "Orthogonal matching pursuit", 1993).

        Args:
            h: complex64 [N, blocks, antennas].
            paths: how many, K.

        Returns:
            index of each path, delay times `beams` plus beam, int64 [N, K]; the gains of the first 1 to K paths, each
            fitted without those that come later, complex64 [N, K, K], 0 for these.
        """
        every = (self.delay.mH @ h) @ self.beam.conj()  # [N, D, S]
        rows, left = torch.arange(len(h), device=h.device)[:, None], every
        delay = torch.zeros(len(h), 0, dtype=torch.int64, device=h.device)
        beam, gains = delay, torch.zeros(len(h), paths, paths, dtype=torch.complex64, device=h.device)
        for count in range(paths):
            best = squared_magnitude(left).flatten(1).argmax(1, keepdim=True)
            delay = torch.cat([delay, best // self.beams], 1)
            beam = torch.cat([beam, best % self.beams], 1)
            gram = (
                self._delay_gram[delay[:, :, None], delay[:, None]] * self._beam_gram[beam[:, :, None], beam[:, None]]
            )
            gram = gram + _RIDGE * torch.eye(count + 1, device=h.device)
            gain = torch.linalg.solve(gram, every[rows, delay, beam])
            gains[:, count, : count + 1] = gain
            if count + 1 < paths:
                taken = (self._delay_gram.mT[delay] * gain[..., None]).mT  # [N, D, K]
                left = every - taken @ self._beam_gram.mT[beam]
        return delay * self.beams + beam, gains

    def channels(self, index: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """The channels of paths, complex64 [N, blocks, antennas], from index and gain [N, K] each."""
        delay, beam = self.delay.mT[index // self.beams], self.beam.mT[index % self.beams]
        return (delay * gain[..., None]).mT @ beam


def _waves(place: torch.Tensor, cycles: torch.Tensor) -> torch.Tensor:
    """Waves of unit norm at `place` [M] of so many `cycles` [W] from one place to the next: complex128 [M, W]."""
    phase = 2.0 * torch.pi * torch.outer(place, cycles)
    return torch.polar(torch.full_like(phase, len(place) ** -0.5), phase)
