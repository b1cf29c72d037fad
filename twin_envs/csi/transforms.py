"""Between frequency and antennas, where a channel is measured, and delay and angle, where it is sparse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.settings import lasting


@dataclass(frozen=True, kw_only=True)
class AngleDelayGrid:
    """Sizes of a channel and of its angle-delay picture.

    A channel is complex64 [N, blocks, antennas]; antenna a = row * columns + column. Its angle-delay picture is
    complex64 [N, blocks, antennas] too: tap d = 0..blocks-1 stands for the delay d / bandwidth_hz (cyclic, so the last
    taps are negative delays), beam b = row_beam * columns + column_beam for a phase that grows by column_beam / columns
    cycles from column to column and by row_beam / rows cycles from row to row.

    Args:
        blocks: resource blocks that CSI covers; a multiple of 4.
        rows: antenna rows of the access point.
        columns: antenna columns of the access point.
        taps: delay taps that a codec sees, at most `blocks`.
        precursor_taps: how many of these lie before the UE's timing; they hold what leaks from the first path.
        block_spacing_hz: distance between the centres of adjacent resource blocks.

    Raises:
        ConfigurationError: a size is outside its range.
    """

    blocks: int = 48
    rows: int = 2
    columns: int = 16
    taps: int = 32
    precursor_taps: int = 6
    block_spacing_hz: float = 12 * 30e3

    def __post_init__(self) -> None:
        check_number("blocks", self.blocks, 4, 272, integer=True)
        if self.blocks % 4:
            raise ConfigurationError(f"blocks must be a multiple of 4 from 4 to 272, got {self.blocks}")
        check_number("rows", self.rows, 1, 64, integer=True)
        check_number("columns", self.columns, 1, 64, integer=True)
        check_number("taps", self.taps, 1, self.blocks, integer=True)
        check_number("precursor_taps", self.precursor_taps, 0, self.taps - 1, integer=True)
        check_number("block_spacing_hz", self.block_spacing_hz, 1e3, 1e9)

    @property
    def antennas(self) -> int:
        """Antenna ports of the access point."""
        return self.rows * self.columns

    @property
    def bandwidth_hz(self) -> float:
        """Bandwidth that CSI covers [Hz]; its inverse is the delay of one tap."""
        return self.blocks * self.block_spacing_hz


def to_angle_delay(h: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """Angle-delay picture of channels: an inverse DFT over blocks and a two-dimensional DFT over antennas, unitary.

    Args:
        h: complex64 [N, blocks, antennas].
        grid: the sizes.

    Returns:
        complex64 [N, blocks (taps), antennas (beams)], of the same Frobenius norm as `h`.
    """
    delay, angle = _matrices(grid, h.device, False)
    return delay @ (h @ angle)


def from_angle_delay(x: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """Channels [N, blocks, antennas] from their angle-delay picture of the same shape: inverse of `to_angle_delay`."""
    delay, angle = _matrices(grid, x.device, True)
    return delay @ (x @ angle)


def from_window(x: torch.Tensor, grid: AngleDelayGrid, block: torch.Tensor | None = None) -> torch.Tensor:
    """Channels from the window of their angle-delay picture that `crop` cuts out; outside it they have nothing.

    Args:
        x: complex64 [N, taps, beams].
        grid: the sizes.
        block: resource blocks [F] where the channels are wanted; None for all.

    Returns:
        complex64 [N, F, antennas].
    """
    delay, angle = _matrices(grid, x.device, True)
    tap = (torch.arange(grid.taps, device=x.device) - grid.precursor_taps) % grid.blocks
    delay = delay[:, tap] if block is None else delay[block[:, None], tap]
    return (delay @ x) @ angle


def angle_transform(grid: AngleDelayGrid, device: torch.device) -> torch.Tensor:
    """The unitary matrix from antennas to beams, complex64 [antennas, beams]: `h @ angle_transform` are the beams."""
    return _matrices(grid, device, False)[1]


def crop(x: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """The cyclic window of `taps` taps from -precursor_taps: [N, blocks, beams] -> [N, taps, beams]."""
    before = grid.precursor_taps
    return torch.cat([x[..., grid.blocks - before :, :], x[..., : grid.taps - before, :]], -2)


@lru_cache(maxsize=16)
@lasting()
def _matrices(grid: AngleDelayGrid, device: torch.device, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The unitary [blocks, blocks] to delay and [antennas, antennas] to angle, or their inverses.

    Products with matrices this small are faster than FFTs. All are symmetric, so they serve from either side.
    """
    delay, angle = dft(grid.blocks).conj(), torch.kron(dft(grid.rows), dft(grid.columns))
    if inverse:
        delay, angle = delay.conj(), angle.conj()
    return delay.resolve_conj().to(device, torch.complex64), angle.resolve_conj().to(device, torch.complex64)


def dft(size: int) -> torch.Tensor:
    """The unitary DFT, complex128 [size, size]."""
    index = torch.arange(size, dtype=torch.float64)
    phase = -2.0 * torch.pi * torch.outer(index, index) / size
    return torch.polar(torch.full_like(phase, size**-0.5), phase)
