"""The angle-delay picture of what is known at subbands only."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.estimation import mean_kernel
from twin_envs.csi.transforms import AngleDelayGrid, angle_transform, dft
from twin_envs.twin.protocol import ExpectedPaths


class Bins(Constant):
    """Between F subbands times antennas and F delays times beams, unitary.

    Subbands lie far apart, so delays are known modulo the inverse of their distance only: paths that are told apart by
    all resource blocks may share a bin.

    Args:
        grid: sizes of a channel.
        subband_hz: baseband frequencies of the subbands [F], evenly spaced.
    """

    def __init__(self, grid: AngleDelayGrid, subband_hz: torch.Tensor) -> None:
        self.grid, self.subbands, device = grid, len(subband_hz), subband_hz.device
        self._spacing_hz = float(subband_hz[1] - subband_hz[0]) if self.subbands > 1 else grid.bandwidth_hz
        self._angle = angle_transform(grid, device)
        self._delay = dft(self.subbands).conj().resolve_conj().to(device, torch.complex64)

    def of(self, h: torch.Tensor) -> torch.Tensor:
        """The bins of channels, both complex64 [N, F, antennas]."""
        return self._delay @ (h @ self._angle)

    def by_subband(self, x: torch.Tensor) -> torch.Tensor:
        """The beams of each subband, complex64 [N, F, antennas (beams)], of bins of the same shape."""
        return self._delay.conj().mT @ x

    def channels(self, x: torch.Tensor) -> torch.Tensor:
        """Channels, complex64 [N, F, U, antennas], of the bins of U UEs, of the same shape."""
        beams = torch.einsum("df,nfua->ndua", self._delay.conj(), x)
        return beams @ self._angle.conj().mT

    def moments(
        self, paths: ExpectedPaths, delay_std_s: torch.Tensor, cycles_std: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """What the paths bring to each bin, by the mean leakage of paths of unknown phase (see `profile_from_paths`).

        Args:
            paths: P paths of N links.
            delay_std_s: standard deviation of their delays [N, 1].
            cycles_std: that of the growth of their phases from antenna to antenna [N, 1].
            values: K of each path [N, K, P], such as its power.

        Returns:
            float32 [N, K, F, antennas].
        """
        grid, spacing_hz = self.grid, self._spacing_hz
        taps = mean_kernel(paths.delay_s * spacing_hz, delay_std_s * spacing_hz, self.subbands)
        rows = mean_kernel(paths.row_cycles, cycles_std, grid.rows)
        columns = mean_kernel(paths.column_cycles, cycles_std, grid.columns)
        beams = (rows[..., :, None] * columns[..., None, :]).flatten(-2)
        return (taps.mT[:, None] * values[:, :, None]) @ beams[:, None]
