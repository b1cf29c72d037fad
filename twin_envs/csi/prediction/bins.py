"""The angle-delay picture of what is known at subbands only."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.transforms import AngleDelayGrid, angle_transform, dft


class Bins(Constant):
    """Between F subbands times antennas and F delays times beams, unitary.

    Subbands lie far apart, so delays are known modulo the inverse of their distance only: paths that are told apart by
    all resource blocks may share a bin.

    Args:
        grid: sizes of a channel.
        subband_hz: baseband frequencies of the subbands [F], evenly spaced.
    """

    def __init__(self, grid: AngleDelayGrid, subband_hz: torch.Tensor) -> None:
        self.subbands, device = len(subband_hz), subband_hz.device
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
