"""What every CSI codec can do, and how a UE reports the strength of its channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay
from twin_envs.twin.protocol import ChannelTwin

LEVEL_BITS = 7
"""Bits of the channel's strength beside each codeword: like RSRP (TS 38.133, 10.1.6.1), 1 dB steps in 7 bits."""
LOWEST_LEVEL_DB = -160.0
"""Path gain that level 0 stands for [dB]; level 127 stands for -33 dB."""

_MAY_LACK = ("bits", "report", "asks", "downlink_bits", "tell")


@dataclass(frozen=True, kw_only=True)
class SideInformation:
    """What is known of N reports before they are made.

    Args:
        codeword_bits: int64 [N], length of the codeword that the cell asked for in each report; both ends know it.
        told: what the base station has told each UE of what it expects, as `Codec.tell` gives it, [N, ...]; None where
            that is nothing. Where a codec's `downlink_bits` are 0 the base station keeps it to itself, and `encode`
            does without.
    """

    codeword_bits: torch.Tensor
    told: torch.Tensor | None = None


class Codec(Protocol):
    """CSI compression: a UE's encoder and a base station's decoder.

    A report is a bit string: the level (`LEVEL_BITS`), then a codeword of one of `codeword_lengths`. A batch may mix
    lengths. Decoded channels have an arbitrary phase, which no precoder needs: one in common or, with codebooks of NR,
    one for each resource block.

    A codec whose reports vary in length, so that `bits` is what must be reserved for them, may have a method
    `sent_bits(bits, side)` that counts what the bit strings really hold, int64 [N]. One with the attribute
    `bound = True` is no codec that could be deployed: its reports hold more than they are charged.
    """

    asks: Any
    """Capability of a channel twin (see `twin_envs.twin.protocol`) without which the codec has nothing to tell; None
    for a codec that asks for none."""
    downlink_bits: int
    """Bits of what the base station tells a UE before each report."""

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""

    def tell(
        self, twin: ChannelTwin, position_m: torch.Tensor, position_std_m: torch.Tensor, ap: torch.Tensor
    ) -> torch.Tensor | None:
        """What the base station tells N UEs before they report, or keeps to itself, for `SideInformation.told`.

        Args:
            twin: has the capability that the codec `asks` for.
            position_m: where the UEs are sensed [N, 3].
            position_std_m: standard deviation of that along each axis [N].
            ap: their access points, int64 [N].

        Returns:
            [N, ...], whole numbers of `downlink_bits` in all for each UE; None where nothing is known.
        """

    def bits(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Exact number of bits fed back, level included, int64 [N], for codewords of `codeword_bits` int64 [N]."""

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Bit strings of channel estimates.

        Args:
            h_hat: complex64 [N, blocks, antennas].
            side: what is known, with codewords each of `codeword_lengths`.

        Returns:
            uint8 [N, bits of the longest report]: report n is the first `bits(codeword_bits)[n]` of row n; the rest
            of the row is zero and is not sent.
        """

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings as `encode` makes them, with the same `side`."""

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends, in one pass from the estimates' angle-delay picture.

        Args:
            x_hat: complex64 [N, blocks (taps), antennas (beams)], as estimators give it.
            side: what is known, with codewords each of `codeword_lengths`.
            block: resource blocks [F] where the channels are wanted; None for all.

        Returns:
            complex64 [N, F, antennas].
        """


class TellsNothing:
    """A codec whose UEs need not be told anything before they report."""

    asks: Any = None
    downlink_bits = 0

    def tell(
        self, twin: ChannelTwin, position_m: torch.Tensor, position_std_m: torch.Tensor, ap: torch.Tensor
    ) -> torch.Tensor | None:
        """None (see `Codec.tell`)."""
        return None


class LevelThenCodeword:
    """A codec whose reports hold the level and a codeword, and no bit more."""

    def bits(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """The codeword, and `LEVEL_BITS` for the level, int64 [N]."""
        return codeword_bits + LEVEL_BITS


class _Completed(LevelThenCodeword, TellsNothing):
    """A codec with what follows from the rest where it was left out: the number of bits, reports in one pass, and that
    nothing is told."""

    def __init__(self, codec: Any, grid: AngleDelayGrid) -> None:
        self._codec, self._grid = codec, grid
        vars(self).update({name: getattr(codec, name) for name in _MAY_LACK if hasattr(codec, name)})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._codec, name)

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """See `Codec.report`."""
        h = self._codec.decode(self._codec.encode(from_angle_delay(x_hat, self._grid), side), side)
        return h if block is None else h[:, block]


def complete(codec: Any, name: str, grid: AngleDelayGrid, device: torch.device) -> Codec:
    """The codec with all that `Codec` has, after it was tried on two channels.

    Args:
        codec: has `codeword_lengths`, `encode` and `decode`, and perhaps the rest of `Codec`.
        name: by which it was asked for.
        grid: sizes of a channel.
        device: where it computes.

    Raises:
        ConfigurationError: something is missing, or of another shape than `Codec` says.
    """
    missing = [what for what in ("codeword_lengths", "encode", "decode") if not hasattr(codec, what)]
    if missing:
        raise ConfigurationError(f"codec {name!r}: a {type(codec).__name__} has no {', '.join(missing)}; see `Codec`")
    lengths = codec.codeword_lengths
    whole = isinstance(lengths, tuple) and all(isinstance(bits, int) and bits > 0 for bits in lengths)
    if not whole or not lengths or list(lengths) != sorted(set(lengths)):
        raise ConfigurationError(f"codec {name!r}: codeword_lengths must be ascending whole numbers, got {lengths!r}")
    completed: Any = codec if all(hasattr(codec, name) for name in _MAY_LACK) else _Completed(codec, grid)
    h = torch.ones(2, grid.blocks, grid.antennas, dtype=torch.complex64, device=device)
    asked = torch.tensor([lengths[0], lengths[-1]], device=device)
    side = SideInformation(codeword_bits=asked)
    sent = completed.encode(h, side)
    most = int(completed.bits(asked).max())
    if sent.dtype != torch.uint8 or sent.dim() != 2 or len(sent) != 2 or sent.shape[1] < most:
        found = f"{sent.dtype} {list(sent.shape)}"
        raise ConfigurationError(f"codec {name!r}: encode must give uint8 [N, {most}] for these bits, got {found}")
    decoded = completed.decode(sent, side)
    if decoded.dtype != torch.complex64 or decoded.shape != h.shape:
        found = f"{decoded.dtype} {list(decoded.shape)}"
        raise ConfigurationError(f"codec {name!r}: decode must give complex64 {list(h.shape)}, got {found}")
    return cast(Codec, completed)


def check_finite(h_hat: torch.Tensor) -> None:
    """Raises `ConfigurationError` if a channel [N, blocks, antennas] is not a number somewhere, or without bounds."""
    wrong = ~torch.isfinite(torch.view_as_real(h_hat)).flatten(1).all(1)
    if wrong.any():
        raise ConfigurationError(f"h_hat must be finite, channel {int(wrong.nonzero()[0, 0])} is not")


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
