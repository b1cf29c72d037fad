"""A path codec: a report names the strongest paths, each by its delay, its beam and its gain.

Support that follows the sample is what a transform code and a small network lack: they spend bits on every direction of
the cell, while a UE's channel has a few. Paths are sent from the strongest to the weakest; each says how much weaker it
is than the one before, in steps of 1.5 dB, and its phase against the strongest one.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import computing, lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.fields import by_length, pack, unpack
from twin_envs.csi.codecs.panel import bits_for
from twin_envs.csi.codecs.path.pursuit import Dictionary
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    TellsNothing,
    level_to_gain,
    quantise_level,
)
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay
from twin_envs.world.store.site import Site, kept_by_site

PATHS = (2, 3, 4, 6, 8, 12, 16)
"""Paths of a report, by its length."""
FALL_BITS, PHASE_BITS = 3, 4
STEP_DB = 1.5
"""How much weaker than the path before: 0 to 7 steps."""
_TINY = torch.finfo(torch.float32).tiny


class PathCodec(LevelThenCodeword, TellsNothing, Constant):
    """The codec `path`.

    Args:
        grid: sizes of a channel.
        device: where it computes.

    Attributes:
        paths: of a report, by codeword length [bits].
    """

    def __init__(self, grid: AngleDelayGrid, device: torch.device) -> None:
        self.grid, self._dictionary = grid, Dictionary(grid, device)
        self._index_bits = bits_for(self._dictionary.delays * self._dictionary.beams)
        self.paths = {int(self._widths(count).sum()): count for count in PATHS}

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""
        return tuple(self.paths)

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Bit strings (see `Codec.encode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(h_hat)):
            columns = LEVEL_BITS + max(self.paths)
            bits = torch.zeros(len(h_hat), columns, dtype=torch.uint8, device=h_hat.device)
            level = quantise_level(squared_magnitude(h_hat).mean((1, 2)))
            for length, rows in by_length(side.codeword_bits, self.paths):
                count = self.paths[length]
                fields = torch.cat([level[rows, None], self._fields(h_hat[rows], count)], 1)
                widths = torch.nn.functional.pad(self._widths(count).to(fields.device), (1, 0), value=LEVEL_BITS)
                bits[rows] = pack(fields, widths, columns)
            return bits

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Channels, complex64 [N, blocks, antennas], from bit strings (see `Codec.decode`).

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(bits)):
            size = (len(bits), self.grid.blocks, self.grid.antennas)
            h = torch.zeros(size, dtype=torch.complex64, device=bits.device)
            for length, rows in by_length(side.codeword_bits, self.paths):
                widths = torch.nn.functional.pad(self._widths(self.paths[length]), (1, 0), value=LEVEL_BITS)
                fields = unpack(bits[rows], widths.to(bits.device).expand(len(rows), -1))
                h[rows] = self._channels(fields[:, 1:], fields[:, 0])
            return h

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends (see `Codec.report`)."""
        with computing(len(x_hat)):
            h_hat = from_angle_delay(x_hat, self.grid)
            level = quantise_level(squared_magnitude(h_hat).mean((1, 2)))
            decoded = torch.empty_like(h_hat)
            for length, rows in by_length(side.codeword_bits, self.paths):
                decoded[rows] = self._channels(self._fields(h_hat[rows], self.paths[length]), level[rows])
            return decoded if block is None else decoded[:, block]

    def _widths(self, count: int) -> torch.Tensor:
        """Bits of the fields of a codeword with `count` paths: indices, falls, phases."""
        falls, phases = [FALL_BITS] * (count - 1), [PHASE_BITS] * (count - 1)
        return torch.tensor([self._index_bits] * count + falls + phases)

    def _fields(self, h_hat: torch.Tensor, count: int) -> torch.Tensor:
        """Fields of channels [N, blocks, antennas], int64 [N, 3 count - 2]."""
        index, gains = self._dictionary.pursue(h_hat, count)
        gain = gains[:, -1]
        order = gain.abs().argsort(dim=1, descending=True, stable=True)
        index, gain = index.gather(1, order), gain.gather(1, order)
        gain = gain / gain[:, :1].abs().clamp_min(_TINY)
        down_db = -20 * torch.log10(gain.abs().clamp_min(_TINY))
        said, falls = torch.zeros_like(down_db[:, 0]), []
        for path in range(1, count):  # against what was said of the one before, so that errors do not add up
            fall = ((down_db[:, path] - said) / STEP_DB).round().clamp(0, 2**FALL_BITS - 1)
            said = said + STEP_DB * fall
            falls.append(fall.long())
        turn = torch.angle(gain[:, 1:] * gain[:, :1].conj())
        phase = (turn * (2**PHASE_BITS / (2 * torch.pi))).round().long() % 2**PHASE_BITS
        return torch.cat([index, torch.stack(falls, 1), phase], 1)

    def _channels(self, fields: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Channels [N, blocks, antennas] from fields and level."""
        count = (fields.shape[1] + 2) // 3
        index, fall, phase = fields.split([count, count - 1, count - 1], 1)
        known = self._dictionary.delays * self._dictionary.beams
        down_db = STEP_DB * fall.cumsum(1)
        weaker = torch.polar(10 ** (-down_db / 20), phase * (2 * torch.pi / 2**PHASE_BITS))
        gain = torch.nn.functional.pad(weaker, (1, 0), value=1.0)
        h = self._dictionary.channels(index.clamp_max(known - 1), gain)
        power = squared_magnitude(h).mean((1, 2)).clamp_min(_TINY)
        return h * (level_to_gain(level) / power).sqrt()[:, None, None]


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> PathCodec:
    """The codec for the array and the carrier of a site."""
    return PathCodec(angle_delay_grid(site), device)
