"""What autoencoders of the angle-delay picture share as codecs: latents, their quantiser, nested codewords.

One network serves all codeword lengths: a shorter codeword is a prefix of a longer one, and the decoder reads zeros for
the latents it has not got (nested dropout: Rippel, Gelbart and Adams, ICML 2014). All that a network does beside the
two linear layers round its latents is residual, so that it can start as the principal component analysis of its
training data, and be trained in minutes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.settings import computing
from twin_envs.csi.codecs.picture import describe
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    TellsNothing,
    from_bits,
    level_to_gain,
    quantise_level,
    to_bits,
)
from twin_envs.csi.transforms import AngleDelayGrid, from_window, to_angle_delay

_OVERLOAD = 2.0
"""Standard deviations of a principal component that the tanh sees as 1; the outermost quantiser level is at 1.7."""
_SMALLEST_PRODUCT = 16
"""Rows below which a CPU sums a matrix product in another order; a sample's codeword must not depend on its batch."""
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfiguration:
    """Sizes of an `Autoencoder`.

    Args:
        grid: sizes of the channel; the network sees `grid.taps` x `grid.antennas` complex numbers.
        bits_per_latent: bits of the quantiser of each latent.
        codeword_lengths: lengths that a codeword may have [bits], ascending multiples of `bits_per_latent`.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    grid: AngleDelayGrid = field(default_factory=AngleDelayGrid)
    bits_per_latent: int = 4
    codeword_lengths: tuple[int, ...] = (64, 128, 256, 512)

    def __post_init__(self) -> None:
        check_number("bits_per_latent", self.bits_per_latent, 1, 12, integer=True)
        lengths, longest = self.codeword_lengths, self.pixels * self.bits_per_latent
        for length in lengths:
            check_number("codeword_lengths", length, self.bits_per_latent, longest, integer=True)
        if not lengths or list(lengths) != sorted(set(lengths)) or any(n % self.bits_per_latent for n in lengths):
            raise ConfigurationError(
                f"codeword_lengths must be ascending multiples of {self.bits_per_latent} bits, got {lengths!r}"
            )

    @property
    def pixels(self) -> int:
        """Real numbers in a picture."""
        return 2 * self.grid.taps * self.grid.antennas

    @property
    def latents(self) -> int:
        """Latents of the longest codeword."""
        return self.codeword_lengths[-1] // self.bits_per_latent


class Autoencoder(LevelThenCodeword, TellsNothing, nn.Module, ABC):
    """A network, and the codec made of it (see `Codec`); a subclass says what is before and behind its latents.

    The encoder sees a window of the angle-delay picture with unit norm and its strongest bin real and positive. Each
    latent is bounded by a tanh, quantised uniformly, and expanded by atanh at the decoder. The
    decoder's picture has unit norm and is scaled to the level that is fed back beside the codeword. Images are float32
    [N, 2 (real, imaginary), taps, beams], laid out with channels last, as a picture of complex numbers is in memory.

    Args:
        configuration: the sizes.
        seed: of the initial weights; no global generator is touched.

    Attributes:
        architecture: name of the layers; it changes when they do.
        learning_rate: with which it is trained best.
    """

    architecture: ClassVar[str]
    learning_rate: ClassVar[float]
    to_latents: nn.Linear
    from_latents: nn.Linear

    def __init__(self, configuration: AutoencoderConfiguration, seed: int) -> None:
        super().__init__()
        self.configuration = configuration
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self._lay_out()

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""
        return self.configuration.codeword_lengths

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Bit strings, uint8 [N, 7 + longest codeword], of `h_hat` [N, blocks, antennas] (see `Codec.encode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(h_hat)):
            self._check_lengths(side.codeword_bits)
            x, path_gain = self.describe(to_angle_delay(h_hat, self.configuration.grid))
            symbols = self._quantise(self.latents(x)) * self._known(side.codeword_bits)
            level = to_bits(quantise_level(path_gain)[:, None], LEVEL_BITS)
            return torch.cat([level, to_bits(symbols, self.configuration.bits_per_latent)], 1)

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings (see `Codec.decode`).

        Rows may be as short as the longest report among them.

        Raises:
            ConfigurationError: a codeword length that this codec does not have, or that `bits` does not hold.
        """
        with computing(len(bits)):
            codeword_bits = side.codeword_bits
            self._check_lengths(codeword_bits)
            longest = int(codeword_bits.max())
            if bits.shape[1] < LEVEL_BITS + longest:
                raise ConfigurationError(f"bits must have {LEVEL_BITS + longest} columns or more, got {bits.shape[1]}")
            level = from_bits(bits[:, :LEVEL_BITS], LEVEL_BITS)[:, 0]
            symbols = from_bits(bits[:, LEVEL_BITS : LEVEL_BITS + longest], self.configuration.bits_per_latent)
            symbols = nn.functional.pad(symbols, (0, self.configuration.latents - symbols.shape[1]))
            return self._decode(symbols, level, codeword_bits)

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends, in one pass (see `Codec.report`); lengths are not checked."""
        with computing(len(x_hat)):
            x, path_gain = self.describe(x_hat)
            return self._decode(self._quantise(self.latents(x)), quantise_level(path_gain), side.codeword_bits, block)

    def describe(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network sees of angle-delay pictures [N, blocks, beams], and the path gain [N] (see `describe`)."""
        return describe(x, self.configuration.grid)

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """Latents in (-1, 1), float32 [N, latents], of unit-norm pictures complex64 [N, taps, beams]."""
        features = self._seen(torch.view_as_real(x).movedim(-1, 1)).movedim(1, -1).flatten(1)
        padding = max(_SMALLEST_PRODUCT - len(x), 0)
        return torch.tanh(self.to_latents(nn.functional.pad(features, (0, 0, 0, padding)))[: len(x)])

    def picture(self, latents: torch.Tensor) -> torch.Tensor:
        """Unit-norm pictures complex64 [N, taps, beams] from latents, float32 [N, latents], zero where not known."""
        grid = self.configuration.grid
        image = self.from_latents(torch.atanh(latents)).unflatten(1, (grid.taps, grid.antennas, 2)).movedim(-1, 1)
        image = self._refined(image)
        norm = image.square().sum((1, 2, 3), keepdim=True).clamp_min(_TINY).sqrt()
        return torch.view_as_complex((image / norm).movedim(1, -1).contiguous())

    def forward(self, x: torch.Tensor, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Pictures through encoder, quantiser (gradient passed straight through) and decoder, for training."""
        latents = self.latents(x)
        quantised = latents + (self._centres(self._quantise(latents)) - latents).detach()
        return self.picture(quantised * self._known(codeword_bits))

    @torch.no_grad()
    def start_from(self, covariance: torch.Tensor) -> None:
        """Set the weights to the principal components of pictures, strongest first.

        Args:
            covariance: float32 [pixels, pixels], mean of p p^T for pictures p = real and imaginary parts, tap by tap.
        """
        variance, components = torch.linalg.eigh(covariance)
        latents = self.configuration.latents
        variance, components = variance.flip(0)[:latents], components.flip(1)[:, :latents]
        scale = _OVERLOAD * variance.clamp_min(1e-6 * variance[0]).sqrt()
        self.to_latents.weight.copy_((components / scale).mT)
        self.from_latents.weight.copy_(components * scale * (self.configuration.pixels / 2) ** 0.5)
        self.to_latents.bias.zero_()
        self.from_latents.bias.zero_()
        for last in self._last():
            for parameter in last.parameters():
                parameter.zero_()

    @abstractmethod
    def _lay_out(self) -> None:
        """Make the layers, `to_latents` and `from_latents` among them (see `_linear`)."""

    @abstractmethod
    def _seen(self, image: torch.Tensor) -> torch.Tensor:
        """What `to_latents` sees of an image of unit norm; of the same shape."""

    @abstractmethod
    def _refined(self, image: torch.Tensor) -> torch.Tensor:
        """What becomes of the image that `from_latents` makes, its elements of the order of one; of the same shape."""

    @abstractmethod
    def _last(self) -> Iterable[nn.Module]:
        """Layers without whose output `_seen` and `_refined` leave images as they are."""

    def _linear(self) -> None:
        """Make `to_latents` and `from_latents`."""
        self.to_latents = nn.Linear(self.configuration.pixels, self.configuration.latents)
        self.from_latents = nn.Linear(self.configuration.latents, self.configuration.pixels)

    def _decode(
        self,
        symbols: torch.Tensor,
        level: torch.Tensor,
        codeword_bits: torch.Tensor,
        block: torch.Tensor | None = None,
    ) -> torch.Tensor:
        grid = self.configuration.grid
        x = self.picture(self._centres(symbols) * self._known(codeword_bits))
        norm = (level_to_gain(level) * (grid.blocks * grid.antennas)).sqrt()
        return from_window(x * norm[:, None, None], grid, block)

    def _quantise(self, latents: torch.Tensor) -> torch.Tensor:
        steps = 2**self.configuration.bits_per_latent
        return ((latents + 1.0) * (steps / 2)).floor().clamp(0, steps - 1).long()

    def _centres(self, symbols: torch.Tensor) -> torch.Tensor:
        return (2.0 * symbols + 1.0) / 2**self.configuration.bits_per_latent - 1.0

    def _known(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        index = torch.arange(self.configuration.latents, device=codeword_bits.device)
        return index < codeword_bits[:, None] // self.configuration.bits_per_latent

    def _check_lengths(self, codeword_bits: torch.Tensor) -> None:
        lengths = torch.tensor(self.codeword_lengths, device=codeword_bits.device)
        wrong = codeword_bits[~torch.isin(codeword_bits, lengths)]
        if len(wrong):
            raise ConfigurationError(f"codeword_bits must be one of {self.codeword_lengths}, got {int(wrong[0])}")
