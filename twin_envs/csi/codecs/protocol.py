"""What every CSI codec can do, and how a UE reports the strength of its channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

LEVEL_BITS = 7
"""Bits of the channel's strength beside each codeword: like RSRP (TS 38.133, 10.1.6.1), 1 dB steps in 7 bits."""
LOWEST_LEVEL_DB = -160.0
"""Path gain that level 0 stands for [dB]; level 127 stands for -33 dB."""


@dataclass(frozen=True, kw_only=True)
class SideInformation:
    """What a decoder knows without being told.

    Args:
        codeword_bits: int64 [N], length of the codeword that the cell asked for in each report.
    """

    codeword_bits: torch.Tensor


class Codec(Protocol):
    """CSI compression: a UE's encoder and a base station's decoder.

    A report is a bit string: the level (`LEVEL_BITS`), then a codeword of one of `codeword_lengths`. A batch may mix
    lengths. Decoded channels have an arbitrary common phase, which no precoder needs.
    """

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""

    def bits(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Exact number of bits fed back, level included, int64 [N], for codewords of `codeword_bits` int64 [N]."""

    def encode(self, h_hat: torch.Tensor, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Bit strings of channel estimates.

        Args:
            h_hat: complex64 [N, blocks, antennas].
            codeword_bits: int64 [N], each of `codeword_lengths`.

        Returns:
            uint8 [N, bits of the longest report]: report n is the first `bits(codeword_bits)[n]` of row n; the rest
            of the row is zero and is not sent.
        """

    def decode(self, bits: torch.Tensor, side_information: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings as `encode` makes them."""

    def report(
        self, x_hat: torch.Tensor, codeword_bits: torch.Tensor, block: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What `decode` makes of what `encode` sends, in one pass from the estimates' angle-delay picture.

        Args:
            x_hat: complex64 [N, blocks (taps), antennas (beams)], as estimators give it.
            codeword_bits: int64 [N], each of `codeword_lengths`.
            block: resource blocks [F] where the channels are wanted; None for all.

        Returns:
            complex64 [N, F, antennas].
        """


def quantise_level(path_gain: torch.Tensor) -> torch.Tensor:
    """Level 0..127, int64 [N], of a path gain [N] (linear), clamped to the range."""
    level = torch.round(10.0 * torch.log10(path_gain) - LOWEST_LEVEL_DB)
    return level.clamp(0, 2**LEVEL_BITS - 1).long()


def level_to_gain(level: torch.Tensor) -> torch.Tensor:
    """Path gain (linear), float32 [N], that a level int64 [N] stands for."""
    return torch.pow(10.0, (level + LOWEST_LEVEL_DB) / 10.0)


def to_bits(symbols: torch.Tensor, width: int) -> torch.Tensor:
    """Binary digits, most significant first: int64 [N, M] -> uint8 [N, M * width]."""
    shifts = torch.arange(width - 1, -1, -1, device=symbols.device)
    return ((symbols[..., None] >> shifts) & 1).flatten(1).to(torch.uint8)


def from_bits(bits: torch.Tensor, width: int) -> torch.Tensor:
    """Inverse of `to_bits`: uint8 [N, M * width] -> int64 [N, M]."""
    weights = 2 ** torch.arange(width - 1, -1, -1, device=bits.device)
    return (bits.unflatten(1, (-1, width)).long() * weights).sum(-1)
