"""What codebooks of NR share as codecs: the level, then the precoders of all subbands, in one of some formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import computing
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.codecs.fields import by_length, unpack
from twin_envs.csi.codecs.panel import Panel
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    TellsNothing,
    level_to_gain,
    quantise_level,
)
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay

F = TypeVar("F")


class Codebook(LevelThenCodeword, TellsNothing, Constant, ABC, Generic[F]):
    """A codec that reports precoders; a codebook says how those of one format become bits and back.

    Args:
        grid: sizes of a channel.
        panel: how the array is taken.
        formats: by codeword length [bits], ascending.
    """

    def __init__(self, grid: AngleDelayGrid, panel: Panel, formats: Mapping[int, F]) -> None:
        self.grid, self.panel, self.formats = grid, panel, formats

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Bits of the formats, ascending."""
        return tuple(self.formats)

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Bit strings (see `Codec.encode`), the level first.

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(h_hat)):
            columns = LEVEL_BITS + max(self.codeword_lengths)
            bits = torch.zeros(len(h_hat), columns, dtype=torch.uint8, device=h_hat.device)
            level = quantise_level(squared_magnitude(h_hat).mean((1, 2)))
            w = self.panel.precoders(h_hat)
            for length, rows in by_length(side.codeword_bits, self.formats):
                bits[rows] = self._encode(w[rows], level[rows], self.formats[length], columns)
            return bits

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings (see `Codec.decode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        return self._decode(bits, side.codeword_bits, None)

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends (see `Codec.report`)."""
        return self._decode(self.encode(from_angle_delay(x_hat, self.grid), side), side.codeword_bits, block)

    def _decode(self, bits: torch.Tensor, codeword_bits: torch.Tensor, block: torch.Tensor | None) -> torch.Tensor:
        with computing(len(bits)):
            shape = len(bits), self.panel.subbands, self.panel.groups, self.panel.group
            w = torch.zeros(shape, dtype=torch.complex64, device=bits.device)
            for length, rows in by_length(codeword_bits, self.formats):
                w[rows] = self._precoders(bits[rows], self.formats[length])
            level = unpack(bits, torch.full_like(codeword_bits, LEVEL_BITS)[:, None])[:, 0]
            return self.panel.channels(w, level_to_gain(level), block)

    @abstractmethod
    def _encode(self, w: torch.Tensor, level: torch.Tensor, form: F, columns: int) -> torch.Tensor:
        """Bit strings uint8 [N, columns] of the level int64 [N] and of precoders [N, subbands, groups, group]."""

    @abstractmethod
    def _precoders(self, bits: torch.Tensor, form: F) -> torch.Tensor:
        """Precoders, complex64 [N, subbands, groups, group], from bit strings of one format."""
