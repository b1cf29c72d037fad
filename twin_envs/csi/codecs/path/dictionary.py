"""The paths that a report can name: plane waves of every delay and beam, and the gains that fit them to a channel."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.transforms import AngleDelayGrid, dft
from twin_envs.csi.waves import DELAYS_PER_TAP, RIDGE, among, beams, gram, waves


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
        self.rows, self.columns, beam = beams(grid)  # [S, antennas]
        self.delays, self.beams = len(delay), len(beam)
        window = (torch.arange(grid.taps) - grid.precursor_taps) % grid.blocks
        taps = (delay @ dft(grid.blocks).conj())[:, window]
        angles = beam @ torch.kron(dft(grid.rows), dft(grid.columns))
        self._delay, self._beam, self.taps, self.angles, self._delay_gram, self._beam_gram, self._taps_gram = (
            matrix.resolve_conj().to(device, torch.complex64)
            for matrix in (delay, beam, taps, angles, gram(delay), gram(beam), gram(taps))
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
        products = among(self._taps_gram, delay) * among(self._beam_gram, beam)
        products.diagonal(dim1=1, dim2=2).add_(RIDGE)
        return torch.linalg.solve_ex(products, found).result

    def channels(self, index: torch.Tensor, gain: torch.Tensor, block: torch.Tensor | None = None) -> torch.Tensor:
        """The channels of paths at resource blocks `block` [F], None for all: complex64 [N, F, antennas].

        Index and gain are [N, K] each.
        """
        delay = self._delay if block is None else self._delay[:, block]
        return (delay[index // self.beams] * gain[..., None]).mT @ self._beam[index % self.beams]

    def energy(self, index: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Sum of |h|^2 over all blocks and antennas of the channels of paths, float32 [N], never below 0."""
        products = among(self._delay_gram, index // self.beams) * among(self._beam_gram, index % self.beams)
        return (gain.conj() * (products @ gain[..., None])[..., 0]).real.sum(1).clamp_min(0)
