"""The paths that a report can name: plane waves four times as dense in each direction as those of the codec `path`."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.transforms import AngleDelayGrid, dft
from twin_envs.csi.waves import DELAYS_PER_TAP, RIDGE, among, gram, waves

FINE = 4
"""Places of a path for each that the codec `path` can name, in delay, in the phase steps between rows and columns."""


class FineDictionary(Constant):
    """Plane waves, each of norm 1, by their place: delay, row step and column step, int64 [..., 3].

    Delays do not go round; the steps between rows and between columns do.

    Args:
        coarse: what the codec `path` can name.
        grid: sizes of a channel.
        device: where it computes.

    Attributes:
        sizes: how many delays, row steps and column steps there are.
        taps: each delay in the window of an angle-delay picture, complex64 [delays, taps].
    """

    def __init__(self, coarse: Dictionary, grid: AngleDelayGrid, device: torch.device) -> None:
        self._rows, self._columns = grid.rows, grid.columns
        rows, columns = (1 if size == 1 else size * FINE for size in (coarse.rows, coarse.columns))
        self.sizes = (coarse.delays * FINE, rows, columns)
        late = torch.arange(self.sizes[0], dtype=torch.float64) / (FINE * DELAYS_PER_TAP) - grid.precursor_taps
        delay = waves(-torch.arange(grid.blocks, dtype=torch.float64), late / grid.blocks)
        window = (torch.arange(grid.taps) - grid.precursor_taps) % grid.blocks
        taps = (delay @ dft(grid.blocks).conj())[:, window]
        row, column = (
            waves(torch.arange(size, dtype=torch.float64), torch.arange(count, dtype=torch.float64) / count)
            for size, count in ((grid.rows, rows), (grid.columns, columns))
        )
        row_beam, column_beam = row @ dft(grid.rows), column @ dft(grid.columns)
        grams = [gram(each) for each in (delay, taps, row, column)]
        self._delay, self.taps, self._row, self._column, self._row_beam, self._column_beam, *grams = (
            matrix.resolve_conj().to(device, torch.complex64)
            for matrix in (delay, taps, row, column, row_beam, column_beam, *grams)
        )
        self._delay_gram, self._taps_gram, self._row_gram, self._column_gram = grams

    def angles(self, place: torch.Tensor) -> torch.Tensor:
        """The directions of paths at `place` [N, 3] in the picture, complex64 [N, antennas]."""
        return (self._row_beam[place[:, 1], :, None] * self._column_beam[place[:, 2], None]).flatten(1)

    def fit(self, x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The gains with which paths leave least of channels, as far as these are seen.

        Args:
            x: windows of angle-delay pictures (see `crop`), complex64 [N, taps, antennas].
            place: of the paths, int64 [N, K, 3].

        Returns:
            complex64 [N, K].
        """
        delay, row, column = place.unbind(-1)
        beams = (self.taps[delay].conj() @ x).unflatten(2, (self._rows, self._columns))
        found = ((beams @ self._column_beam[column].conj()[..., None])[..., 0] * self._row_beam[row].conj()).sum(-1)
        products = among(self._taps_gram, delay) * self._angle_products(row, column)
        products.diagonal(dim1=1, dim2=2).add_(RIDGE)
        return torch.linalg.solve_ex(products, found).result

    def channels(self, place: torch.Tensor, gain: torch.Tensor, block: torch.Tensor | None = None) -> torch.Tensor:
        """The channels of paths at resource blocks `block` [F], None for all: complex64 [N, F, antennas].

        Places are [N, K, 3], gains [N, K].
        """
        delay = self._delay if block is None else self._delay[:, block]
        direction = (self._row[place[..., 1]][..., None] * self._column[place[..., 2]][..., None, :]).flatten(2)
        return (delay[place[..., 0]] * gain[..., None]).mT @ direction

    def energy(self, place: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Sum of |h|^2 over all blocks and antennas of the channels of paths, float32 [N], never below 0."""
        delay, row, column = place.unbind(-1)
        products = among(self._delay_gram, delay) * self._angle_products(row, column)
        return (gain.conj() * (products @ gain[..., None])[..., 0]).real.sum(1).clamp_min(0)

    def _angle_products(self, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        return among(self._row_gram, row) * among(self._column_gram, column)
