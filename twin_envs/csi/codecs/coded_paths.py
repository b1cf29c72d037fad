"""What path codecs share whose reports are one arithmetic code, whatever a path is to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch

from twin_envs.base.settings import computing
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.codecs.arithmetic import Coder, Decoder, Encoder
from twin_envs.csi.codecs.fields import by_length
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    check_finite,
    from_bits,
    quantise_level,
    to_bits,
)
from twin_envs.csi.transforms import AngleDelayGrid, crop, to_angle_delay


class CodedPaths(LevelThenCodeword, ABC):
    """A codec that names paths. A report is as long as its paths are surprising.

    Paths are int64 [N, K, fields], K at most by the length of the codeword; the first field says whether there is such
    a path.

    Attributes:
        grid: sizes of a channel.
    """

    grid: AngleDelayGrid
    _formats: Mapping[int, int]
    """What a codeword holds, by its length [bits]."""
    _nothing_told: torch.Tensor
    """What is told where nothing is expected, int64 [1, M, fields]."""

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""
        return tuple(self._formats)

    def sent_bits(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Number of bits that the reports `bits`, from `encode`, really hold, level included, int64 [N]."""
        with computing(len(bits)):
            held = torch.zeros_like(side.codeword_bits)
            for length, rows in by_length(side.codeword_bits, self._formats):
                told = self._told(side, rows)
                paths = self._walk(Decoder(bits[rows, LEVEL_BITS:]), length, told, self._nothing(len(rows), length))
                encoder = Encoder(len(rows), length, bits.device)
                self._walk(encoder, length, told, paths)
                held[rows] = LEVEL_BITS + encoder.finish()[1]
            return held

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Bit strings (see `Codec.encode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have, or a channel that is not finite.
        """
        with computing(len(h_hat)):
            check_finite(h_hat)
            level = to_bits(quantise_level(squared_magnitude(h_hat).mean((1, 2)))[:, None], LEVEL_BITS)
            seen = crop(to_angle_delay(h_hat, self.grid), self.grid)
            codeword = torch.zeros(len(h_hat), max(self._formats), dtype=torch.uint8, device=h_hat.device)
            for length, rows in by_length(side.codeword_bits, self._formats):
                told = self._told(side, rows)
                encoder = Encoder(len(rows), length, h_hat.device)
                self._walk(encoder, length, told, self._fitting(seen[rows], told, length))
                codeword[rows, :length] = encoder.finish()[0]
            return torch.cat([level, codeword], 1)

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings (see `Codec.decode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(bits)):
            h = torch.zeros(len(bits), self.grid.blocks, self.grid.antennas, dtype=torch.complex64, device=bits.device)
            level = from_bits(bits[:, :LEVEL_BITS], LEVEL_BITS)[:, 0]
            for length, rows in by_length(side.codeword_bits, self._formats):
                decoder, nothing = Decoder(bits[rows, LEVEL_BITS:]), self._nothing(len(rows), length)
                paths = self._walk(decoder, length, self._told(side, rows), nothing)
                h[rows] = self._channels(paths, length, level[rows])
            return h

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends (see `Codec.report`)."""
        with computing(len(x_hat)):
            check_finite(x_hat)
            level = quantise_level(squared_magnitude(x_hat).mean((1, 2)))
            seen, blocks = crop(x_hat, self.grid), self.grid.blocks if block is None else len(block)
            h = torch.empty(len(x_hat), blocks, self.grid.antennas, dtype=torch.complex64, device=x_hat.device)
            for length, rows in by_length(side.codeword_bits, self._formats):
                paths = self._fitting(seen[rows], self._told(side, rows), length)
                h[rows] = self._channels(paths, length, level[rows], block)
            return h

    def _told(self, side: SideInformation, rows: torch.Tensor) -> torch.Tensor:
        """What UEs `rows` [N] have been told; that nothing is expected where it was nothing."""
        return self._nothing_told.expand(len(rows), -1, -1) if side.told is None else side.told[rows]

    @abstractmethod
    def _nothing(self, reports: int, length: int) -> torch.Tensor:
        """No paths in so many reports of a length [bits]."""

    @abstractmethod
    def _fitting(self, x: torch.Tensor, told: torch.Tensor, length: int) -> torch.Tensor:
        """As many paths of windows of angle-delay pictures [N] as fit in a codeword of a length [bits]."""

    @abstractmethod
    def _walk(self, coder: Coder, length: int, told: torch.Tensor, paths: torch.Tensor) -> torch.Tensor:
        """Code reports.

        Args:
            coder: either end.
            length: of the codeword [bits].
            told: what is expected, int64 [N, M, fields].
            paths: a decoder looks at the size alone.

        Returns:
            The paths.
        """

    @abstractmethod
    def _channels(
        self, paths: torch.Tensor, length: int, level: torch.Tensor, block: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Channels [N, F, antennas] of paths and level, at resource blocks `block` [F]; None for all."""
