"""The paths that a report can name: plane waves of every delay and beam, and the gains that fit them to a channel."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.transforms import AngleDelayGrid, dft

DELAYS_PER_TAP = 2
BEAMS_PER_ROW, BEAMS_PER_COLUMN = 2, 4
"""Beams for each row and column of the array; one where there is a single row or column."""
_RIDGE = 1e-4
"""Added to the Gram matrix of chosen paths, which are of norm 1: neighbours are nearly the same."""


class Dictionary(Constant):
    """Plane waves of every delay and beam that a report can name, each of norm 1.

    Delays are those that the window of `crop` holds, in halves of a tap; beams are a uniform grid in the phase steps
    between rows and between columns. The index of a path is its delay times `beams` plus its beam.

    Args:
        grid: sizes of a channel.
        device: where it computes.

    Attributes:
        delays: their number D.
        beams: their number S, `rows` times `columns`.
        taps: each delay in the window of an angle-delay picture, complex64 [D, taps].
        angles: each beam in the picture, complex64 [S, antennas].
    """

    def __init__(self, grid: AngleDelayGrid, device: torch.device) -> None:
        blocks = torch.arange(grid.blocks, dtype=torch.float64)
        delay_taps = torch.arange(grid.taps * DELAYS_PER_TAP, dtype=torch.float64) / DELAYS_PER_TAP
        delay = waves(-blocks, (delay_taps - grid.precursor_taps) / grid.blocks)  # [D, blocks]
        self.rows = grid.rows * BEAMS_PER_ROW if grid.rows > 1 else 1
        self.columns = grid.columns * BEAMS_PER_COLUMN if grid.columns > 1 else 1
        row, column = (
            waves(torch.arange(size, dtype=torch.float64), torch.arange(count, dtype=torch.float64) / count)
            for size, count in ((grid.rows, self.rows), (grid.columns, self.columns))
        )
        beam = torch.kron(row, column)  # [S, antennas]
        self.delays, self.beams = len(delay), len(beam)
        window = (torch.arange(grid.taps) - grid.precursor_taps) % grid.blocks
        taps = (delay @ dft(grid.blocks).conj())[:, window]
        angles = beam @ torch.kron(dft(grid.rows), dft(grid.columns))
        self._delay, self._beam, self.taps, self.angles, self._delay_gram, self._beam_gram, self._taps_gram = (
            matrix.resolve_conj().to(device, torch.complex64)
            for matrix in (delay, beam, taps, angles, _gram(delay), _gram(beam), _gram(taps))
        )

    def fit(self, x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """The gains with which paths leave least of channels, as far as these are seen.

        Args:
            x: windows of angle-delay pictures (see `crop`), complex64 [N, taps, antennas].
            index: of the paths, int64 [N, K].

        Returns:
            complex64 [N, K].
        """
        delay, beam = index // self.beams, index % self.beams
        found = ((self.taps[delay].conj() @ x) * self.angles[beam].conj()).sum(-1)
        gram = _among(self._taps_gram, delay) * _among(self._beam_gram, beam)
        gram.diagonal(dim1=1, dim2=2).add_(_RIDGE)
        return torch.linalg.solve_ex(gram, found).result

    def channels(self, index: torch.Tensor, gain: torch.Tensor, block: torch.Tensor | None = None) -> torch.Tensor:
        """The channels of paths at resource blocks `block` [F], None for all: complex64 [N, F, antennas].

        Index and gain are [N, K] each.
        """
        delay = self._delay if block is None else self._delay[:, block]
        return (delay[index // self.beams] * gain[..., None]).mT @ self._beam[index % self.beams]

    def energy(self, index: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Sum of |h|^2 over all blocks and antennas of the channels of paths, float32 [N], never below 0."""
        gram = _among(self._delay_gram, index // self.beams) * _among(self._beam_gram, index % self.beams)
        return (gain.conj() * (gram @ gain[..., None])[..., 0]).real.sum(1).clamp_min(0)


def waves(place: torch.Tensor, cycles: torch.Tensor) -> torch.Tensor:
    """Waves of unit norm at `place` [M] of so many `cycles` [W] from one place to the next: complex128 [W, M]."""
    phase = 2.0 * torch.pi * torch.outer(cycles, place)
    return torch.polar(torch.full_like(phase, len(place) ** -0.5), phase)


def _gram(atoms: torch.Tensor) -> torch.Tensor:
    """Inner products of waves [W, M], each with each: [W, W]."""
    return atoms.conj() @ atoms.mT


def _among(gram: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The part of a Gram matrix that is about chosen waves, int64 [N, K]: [N, K, K]."""
    return gram[chosen[:, :, None], chosen[:, None]]
