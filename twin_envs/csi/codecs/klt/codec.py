"""A transform code for the channels of a site: principal components, whole bits by reverse water-filling, Lloyd-Max.

The Karhunen-Loeve transform of the twin's channels is the best linear one, so this is what CsiNet has to beat. It sees
what CsiNet sees (see `picture`), and knows the training links of the twin alone: those that `street_blocks` does not
hold out. It is made in seconds when it is first asked for, so no file is kept.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.settings import computing, lasting
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.fields import check_lengths, pack, unpack
from twin_envs.csi.codecs.klt.quantiser import distribute, lloyd_max, quantise
from twin_envs.csi.codecs.picture import describe
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    TellsNothing,
    level_to_gain,
    quantise_level,
)
from twin_envs.csi.transforms import AngleDelayGrid, from_window, to_angle_delay
from twin_envs.world.store.site import Site, kept_by_site

CODEWORD_LENGTHS = (64, 128, 256, 512)
SAMPLES = 4096
"""Channels of the twin that it is made from."""
WORLD = "twin"
_MOST_BITS = 7
_SMALLEST_PRODUCT = 16
"""Rows below which a CPU sums a matrix product in another order; a sample's codeword must not depend on its batch."""
_TINY = torch.finfo(torch.float32).tiny


class Klt(LevelThenCodeword, TellsNothing, Constant):
    """The codec `klt`, made from channels.

    Args:
        channels: complex64 [M, blocks, antennas], more of them than a codeword has bits.
        grid: sizes of a channel.
        lengths: codeword lengths [bits], ascending.

    Attributes:
        widths: bits of each component, int64 [lengths, components].
        left: share of a component's variance that is left as error by 0, 1, ... bits, float32.
        analysis, synthesis: from what the codec sees to components of variance 1, and back, float32 [pixels,
            components] and [components, pixels].

    Raises:
        ConfigurationError: there are too few channels.
    """

    def __init__(
        self, channels: torch.Tensor, grid: AngleDelayGrid, lengths: tuple[int, ...] = CODEWORD_LENGTHS
    ) -> None:
        if len(channels) <= lengths[-1]:
            raise ConfigurationError(f"channels must be more than {lengths[-1]}, got {len(channels)}")
        self.grid, self._lengths = grid, lengths
        pixels = self._pixels(to_angle_delay(channels, grid))[0]
        variance, basis = torch.linalg.eigh(pixels.mT @ pixels / len(pixels))
        variance, basis = variance.flip(0)[: lengths[-1]].clamp_min(0), basis.flip(1)[:, : lengths[-1]]
        scale = variance.clamp_min(1e-6 * variance[0]).sqrt()
        # Components that get bits at all are those with the greatest variance; they share their quantisers.
        scaled = (pixels @ basis / scale)[:, : lengths[0]]
        self._values = lloyd_max(scaled.flatten(), _MOST_BITS)
        left = torch.stack([(scaled - values[quantise(scaled, values)]).square().mean() for values in self._values])
        self.left = left / left[0]
        widths = distribute(variance, self.left, lengths)
        used = int(widths.sum(0).count_nonzero())
        self.widths = widths[:, :used]
        self.analysis, self.synthesis = basis[:, :used] / scale[:used], (basis[:, :used] * scale[:used]).mT

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""
        return self._lengths

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Bit strings (see `Codec.encode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(h_hat)):
            check_lengths(side.codeword_bits, self._lengths)
            pixels, path_gain = self._pixels(to_angle_delay(h_hat, self.grid))
            widths = self._widths(side.codeword_bits)
            fields = torch.cat([quantise_level(path_gain)[:, None], self._quantise(pixels, widths)], 1)
            widths = torch.nn.functional.pad(widths, (1, 0), value=LEVEL_BITS)
            return pack(fields, widths, LEVEL_BITS + self._lengths[-1])

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings (see `Codec.decode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(bits)):
            codeword_bits = side.codeword_bits
            check_lengths(codeword_bits, self._lengths)
            widths = self._widths(codeword_bits)
            fields = unpack(bits, torch.nn.functional.pad(widths, (1, 0), value=LEVEL_BITS))
            return self._decode(fields[:, 1:], widths, fields[:, 0], side.told, None)

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends (see `Codec.report`); lengths are not checked."""
        with computing(len(x_hat)):
            pixels, path_gain = self._pixels(x_hat)
            widths = self._widths(side.codeword_bits)
            symbol = self._quantise(pixels, widths)
            return self._decode(symbol, widths, quantise_level(path_gain), side.told, block)

    def _pixels(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Real and imaginary parts of what the codec sees of pictures, float32 [N, pixels], and the path gain [N]."""
        picture, path_gain = describe(x, self.grid)
        return torch.view_as_real(picture).flatten(1), path_gain

    def _widths(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        lengths = torch.tensor(self._lengths, device=codeword_bits.device)
        return self.widths[torch.searchsorted(lengths, codeword_bits)]

    def _quantise(self, pixels: torch.Tensor, widths: torch.Tensor) -> torch.Tensor:
        """Symbol of each component, int64 [N, components], 0 where it has no bits."""
        count = len(pixels)
        padded = torch.nn.functional.pad(pixels, (0, 0, 0, max(_SMALLEST_PRODUCT - count, 0)))
        components = (padded @ self.analysis)[:count]
        symbol = torch.zeros_like(widths)
        for bits, values in enumerate(self._values[1:], 1):
            symbol = torch.where(widths == bits, quantise(components, values), symbol)
        return symbol

    def _decode(
        self,
        symbol: torch.Tensor,
        widths: torch.Tensor,
        level: torch.Tensor,
        told: torch.Tensor | None,
        block: torch.Tensor | None,
    ) -> torch.Tensor:
        components = torch.zeros_like(symbol, dtype=torch.float32)
        for bits, values in enumerate(self._values[1:], 1):
            components = torch.where(widths == bits, values[symbol.clamp_max(len(values) - 1)], components)
        pixels = self._reconstructed(components, widths, told)
        gain = level_to_gain(level) * (self.grid.blocks * self.grid.antennas)
        pixels = pixels * (gain / pixels.square().sum(1).clamp_min(_TINY)).sqrt()[:, None]
        picture = torch.view_as_complex(pixels.unflatten(1, (self.grid.taps, self.grid.antennas, 2)))
        return from_window(picture, self.grid, block)

    def _reconstructed(self, components: torch.Tensor, widths: torch.Tensor, told: torch.Tensor | None) -> torch.Tensor:
        """Pixels [N, pixels], of any scale, from quantised components [N, components], and what `tell` has given."""
        return components @ self.synthesis


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> Klt:
    """The transform code for the twin of a site.

    Raises:
        ConfigurationError: the site has no world `twin`.
    """
    return Klt(channels_of(site).to(device), angle_delay_grid(site))


def channels_of(site: Site) -> torch.Tensor:
    """Channels of a site's twin that the code is made from, complex64 [SAMPLES, blocks, antennas].

    Raises:
        ConfigurationError: the site has no world `twin`.
    """
    draw = ChannelSampler(site, site.twin(WORLD), held_out=False)
    return draw(SAMPLES, torch.Generator(site.device).manual_seed(0))
