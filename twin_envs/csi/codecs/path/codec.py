"""A path codec: a report names the strongest paths, each by its delay, its beam and its gain.

Support that follows the sample is what a transform code and a small network lack: they spend bits on every direction of
the cell, while a UE's channel has a few. Paths are sent from the strongest to the weakest; each says how much weaker it
is than the one before, in steps of 1.5 dB, and its phase against the strongest one.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import computing, lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.fields import by_length, pack, unpack
from twin_envs.csi.codecs.panel import bits_for
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.gains import nearest_falls
from twin_envs.csi.codecs.path.pursuit import Pursuit
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    TellsNothing,
    level_to_gain,
    quantise_level,
)
from twin_envs.csi.transforms import AngleDelayGrid, crop, to_angle_delay
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
        self._pursuit = Pursuit(self._dictionary, grid, device)
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
            for length, rows, fields in self._fields(to_angle_delay(h_hat, self.grid), side.codeword_bits):
                widths = torch.nn.functional.pad(self._widths(self.paths[length]), (1, 0), value=LEVEL_BITS)
                bits[rows] = pack(torch.cat([level[rows, None], fields], 1), widths.to(bits.device), columns)
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
            level = quantise_level(squared_magnitude(x_hat).mean((1, 2)))
            blocks = self.grid.blocks if block is None else len(block)
            h = torch.empty(len(x_hat), blocks, self.grid.antennas, dtype=torch.complex64, device=x_hat.device)
            for _, rows, fields in self._fields(x_hat, side.codeword_bits):
                h[rows] = self._channels(fields, level[rows], block)
            return h

    def _widths(self, count: int) -> torch.Tensor:
        """Bits of the fields of a codeword with `count` paths: indices, falls, phases."""
        falls, phases = [FALL_BITS] * (count - 1), [PHASE_BITS] * (count - 1)
        return torch.tensor([self._index_bits] * count + falls + phases)

    def _fields(
        self, x_hat: torch.Tensor, codeword_bits: torch.Tensor
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """Each length among codewords, the rows that have it, and their fields, int64 [rows, 3 paths - 2].

        Channels are angle-delay pictures [N, blocks (taps), antennas (beams)].
        """
        seen, lengths = crop(x_hat, self.grid), list(by_length(codeword_bits, self.paths))
        index = self._pursuit.find(seen, self.paths[lengths[-1][0]]) if lengths else codeword_bits
        for length, rows in lengths:
            its_index = index[rows, : self.paths[length]]
            gain = self._dictionary.fit(seen[rows], its_index)
            order = gain.abs().argsort(dim=1, descending=True, stable=True)
            its_index, gain = its_index.gather(1, order), gain.gather(1, order)
            fall = nearest_falls(gain, STEP_DB, 2**FALL_BITS - 1)[:, 1:]
            turn = torch.angle(gain[:, 1:] * gain[:, :1].conj())
            phase = (turn * (2**PHASE_BITS / (2 * torch.pi))).round().long() % 2**PHASE_BITS
            yield length, rows, torch.cat([its_index, fall, phase], 1)

    def _channels(self, fields: torch.Tensor, level: torch.Tensor, block: torch.Tensor | None = None) -> torch.Tensor:
        """Channels [N, F, antennas] from fields and level, at resource blocks `block` [F]; None for all."""
        count = (fields.shape[1] + 2) // 3
        index, fall, phase = fields.split([count, count - 1, count - 1], 1)
        index = index.clamp_max(self._dictionary.delays * self._dictionary.beams - 1)
        down_db = STEP_DB * fall.cumsum(1)
        weaker = torch.polar(10 ** (-down_db / 20), phase * (2 * torch.pi / 2**PHASE_BITS))
        gain = torch.nn.functional.pad(weaker, (1, 0), value=1.0)
        power = self._dictionary.energy(index, gain) / (self.grid.blocks * self.grid.antennas)
        gain = gain * (level_to_gain(level) / power.clamp_min(_TINY)).sqrt()[:, None]
        return self._dictionary.channels(index, gain, block)


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> PathCodec:
    """The codec for the array and the carrier of a site."""
    return PathCodec(angle_delay_grid(site), device)
