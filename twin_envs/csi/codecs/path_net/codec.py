"""A path codec with a network: a report names the strongest paths, coded with what the network has learnt of paths.

The stronger a path is against the strongest, the finer it is placed, and the finer its phase is told. Where paths are
is coded with what the network expects (see `network` and `prior`); all of a report goes through one arithmetic code.
The encoder knows beforehand how many bits a report takes, so it is written once.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from twin_envs.base.constant import Constant
from twin_envs.base.settings import computing, lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.arithmetic import Coder, Decoder, Encoder
from twin_envs.csi.codecs.fields import by_length
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.gains import nearest_falls
from twin_envs.csi.codecs.path_net.circumstances import NONE
from twin_envs.csi.codecs.path_net.dictionary import FINE, FineDictionary
from twin_envs.csi.codecs.path_net.formats import FORMATS, LARGEST_FALL, STEPS, Format
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.codecs.path_net.prior import Prior
from twin_envs.csi.codecs.path_net.pursuit import FinePursuit
from twin_envs.csi.codecs.path_net.weights import packaged_network
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    LevelThenCodeword,
    SideInformation,
    TellsNothing,
    check_finite,
    from_bits,
    level_to_gain,
    quantise_level,
    to_bits,
)
from twin_envs.csi.transforms import AngleDelayGrid, crop, to_angle_delay
from twin_envs.csi.waves import DELAYS_PER_TAP
from twin_envs.world.store.site import Site, kept_by_site

LENGTHS = (42, 58, 76, 108, 140, 200, 264)
"""Bits of codewords, by `FORMATS`."""
_LOST_BITS = 0.15
"""What the arithmetic code loses at most by rounding; a bit more may be lost at the end of a report."""
_TINY = torch.finfo(torch.float32).tiny


class PathNet(LevelThenCodeword, TellsNothing, nn.Module, Constant):
    """The codec `path-net`.

    Args:
        network: says where paths are probable.
        grid: sizes of a channel.
        device: where it computes.
        lengths: bits of codewords, one for each of `FORMATS`.
    """

    def __init__(
        self, network: PriorNetwork, grid: AngleDelayGrid, device: torch.device, lengths: tuple[int, ...] = LENGTHS
    ) -> None:
        super().__init__()
        coarse = Dictionary(grid, device)
        self.grid, self.dictionary, self.network = grid, FineDictionary(coarse, grid, device), network
        self.pursuit = FinePursuit(coarse, self.dictionary, grid, device)
        self.prior = Prior(network, self.dictionary.sizes, grid.precursor_taps * DELAYS_PER_TAP * FINE, device)
        self._formats: Mapping[int, int] = {length: number for number, length in enumerate(lengths)}
        self._lattice = torch.tensor(STEPS, device=device)
        self._falls = network.falls.long().to(device)
        share = network.falls.double() / network.falls.double().sum(2, keepdim=True)
        self._fall_bits = -torch.log2(share).to(device)

    @property
    def codeword_lengths(self) -> tuple[int, ...]:
        """Lengths that a codeword may have [bits], ascending."""
        return tuple(self._formats)

    def sent_bits(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Number of bits that the reports `bits`, from `encode`, really hold, level included, int64 [N]."""
        with computing(len(bits)):
            held = torch.zeros_like(side.codeword_bits)
            for length, rows in by_length(side.codeword_bits, self._formats):
                told, number = self._told(side, rows), self._formats[length]
                nothing = self._nothing(len(rows), FORMATS[number])
                paths = self._walk(Decoder(bits[rows, LEVEL_BITS:]), number, told, nothing)
                encoder = Encoder(len(rows), length, bits.device)
                self._walk(encoder, number, told, paths)
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
                self._walk(encoder, self._formats[length], told, self._fitting(seen[rows], told, length))
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
                number, decoder = self._formats[length], Decoder(bits[rows, LEVEL_BITS:])
                nothing = self._nothing(len(rows), FORMATS[number])
                paths = self._walk(decoder, number, self._told(side, rows), nothing)
                h[rows] = self._channels(paths, FORMATS[number], level[rows])
            return h

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends, without a bit of it being written (see `Codec.report`)."""
        with computing(len(x_hat)):
            check_finite(x_hat)
            level = quantise_level(squared_magnitude(x_hat).mean((1, 2)))
            seen, blocks = crop(x_hat, self.grid), self.grid.blocks if block is None else len(block)
            h = torch.empty(len(x_hat), blocks, self.grid.antennas, dtype=torch.complex64, device=x_hat.device)
            for length, rows in by_length(side.codeword_bits, self._formats):
                paths = self._fitting(seen[rows], self._told(side, rows), length)
                h[rows] = self._channels(paths, FORMATS[self._formats[length]], level[rows], block)
            return h

    def quantised(self, x: torch.Tensor, place: torch.Tensor, said: Format) -> torch.Tensor:
        """The paths at `place` [N, K, 3] of windows of angle-delay pictures as reports say them, strongest first.

        Returns:
            int64 [N, K, 6]: 1, as there is such a path, its delay, row and column, by how many steps it is weaker than
            the one before, its phase against the strongest.
        """
        gain = self.dictionary.fit(x, place)
        order = gain.abs().argsort(dim=1, descending=True, stable=True)
        place, gain = place.gather(1, order[..., None].expand(-1, -1, 3)), gain.gather(1, order)
        fall = nearest_falls(gain, said.fall_db, LARGEST_FALL)
        down = fall.cumsum(1)
        step = self._lattice[said.steps(down * said.fall_db)][..., None]
        place = (place + step // 2) // step * step
        delays, rows, columns = self.dictionary.sizes
        place = torch.stack([place[..., 0].clamp_max(delays - FINE), place[..., 1] % rows, place[..., 2] % columns], -1)
        phases = said.phases(down)
        gain = self.dictionary.fit(x, place)
        turn = torch.angle(gain * gain[:, :1].conj()) / (2 * torch.pi)
        phase = (turn * phases).round().long() % phases
        return torch.cat([torch.ones_like(phase)[..., None], place, fall[..., None], phase[..., None]], -1)

    def information(self, paths: torch.Tensor, told: torch.Tensor, number: int) -> torch.Tensor:
        """Bits that it takes to tell each path of reports of a format (see `quantised`), float64 [N, K]."""
        said, place, fall = FORMATS[number], paths[..., 1:4], paths[..., 4]
        down = fall.cumsum(1)
        below_db = down * said.fall_db
        where = self.prior.information(told, place, below_db, said.steps(below_db))
        path = torch.arange(1, fall.shape[1], device=fall.device)
        gains = self._fall_bits[number][path - 1, fall[:, 1:]] + torch.log2(said.phases(down[:, 1:]).double())
        return where + torch.nn.functional.pad(gains, (1, 0))

    def _told(self, side: SideInformation, rows: torch.Tensor) -> torch.Tensor:
        """What UEs `rows` [N] have been told; that nothing is expected where it was nothing."""
        if side.told is not None:
            return side.told[rows]
        return torch.tensor([[[0, 0, 0, NONE]]], device=rows.device).expand(len(rows), 1, 4)

    def _fitting(self, x: torch.Tensor, told: torch.Tensor, length: int) -> torch.Tensor:
        """As many paths (see `quantised`) of windows of pictures [N] as fit in a codeword, [N, most, 6]."""
        number = self._formats[length]
        said = FORMATS[number]
        place, paths = self.pursuit.places(x, said), self._nothing(len(x), said)
        wanted = torch.full((len(x),), said.paths, device=x.device)
        counted = -torch.log2(self._counts(said).double() / self._counts(said).sum())
        for count in range(said.paths, 0, -1):
            rows = (wanted == count).nonzero()[:, 0]
            if not len(rows):
                continue
            few = self.quantised(x[rows], place[rows, :count], said)
            holds = self.information(few, told[rows], number).cumsum(1)
            fits = (holds + counted[said.paths - count] + _LOST_BITS).ceil() < length
            paths[rows, :count] = torch.where(fits[:, -1, None, None], few, 0)
            wanted[rows] = torch.where(fits[:, -1], 0, fits.sum(1).clamp_max(count - 1))
        return paths

    def _nothing(self, reports: int, said: Format) -> torch.Tensor:
        """No paths in so many reports (see `quantised`)."""
        return torch.zeros(reports, said.paths, 6, dtype=torch.int64, device=self._falls.device)

    def _counts(self, said: Format) -> torch.Tensor:
        """How frequent it is that a report has 0, 1, ... paths less than the most, up to all of them."""
        frequency = 2 ** (said.paths - torch.arange(said.paths + 1, device=self._falls.device))
        frequency[0] *= 3
        return frequency

    def _walk(self, coder: Coder, number: int, told: torch.Tensor, paths: torch.Tensor) -> torch.Tensor:
        """Code reports: how many paths there are, and of each its fall, column, row, delay and phase.

        Args:
            coder: either end.
            number: of the format.
            told: what is expected, int64 [N, M, 4].
            paths: int64 [N, most, 6] (see `quantised`). A decoder looks at the size alone.

        Returns:
            The paths.
        """
        said, (reports, most) = FORMATS[number], paths.shape[:2]
        every = torch.ones(reports, dtype=torch.bool, device=told.device)
        fewer = coder.code(self._counts(said).expand(reports, -1), most - paths[..., 0].sum(1), every)
        coded = torch.zeros_like(paths)
        coded[..., 0] = torch.arange(most, device=told.device) < most - fewer[:, None]
        down = torch.zeros(reports, most, dtype=torch.int64, device=told.device)
        for path in range(most):
            this, its = coded[:, path, 0].bool(), paths[:, path]
            if path:
                falls = self._falls[number, path - 1].expand(reports, -1)
                coded[:, path, 4] = coder.code(falls, its[:, 4], this)
                down[:, path] = down[:, path - 1] + coded[:, path, 4]
            below_db = said.fall_db * down[:, : path + 1]
            step, place = said.steps(below_db[:, path]), coded[:, :path, 1:4]
            expected = self.prior.expectation(told, place, below_db)
            for axis in (2, 1, 0):
                coded[:, path, 1 + axis] = coder.code(expected.of(axis, step), its[:, 1 + axis], this)
                if axis:
                    expected.choose(axis, step, coded[:, path, 1 + axis])
            if path:
                phases = said.phases(down[:, path, None])
                even = (torch.arange(2**said.phase_bits, device=told.device) < phases).long()
                coded[:, path, 5] = coder.code(even, its[:, 5], this)
        return coded

    def _channels(
        self, paths: torch.Tensor, said: Format, level: torch.Tensor, block: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Channels [N, F, antennas] of paths (see `quantised`) and level, at resource blocks `block`; None for all."""
        there, place, fall, phase = paths[..., 0], paths[..., 1:4], paths[..., 4], paths[..., 5]
        down = fall.cumsum(1)
        gain = there * torch.polar(10 ** (-said.fall_db / 20 * down), 2 * torch.pi * phase / said.phases(down))
        power = self.dictionary.energy(place, gain) / (self.grid.blocks * self.grid.antennas)
        gain = gain * (level_to_gain(level) / power.clamp_min(_TINY)).sqrt()[:, None]
        return self.dictionary.channels(place, gain, block)


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> PathNet:
    """The codec for the array and the carrier of a site."""
    return PathNet(packaged_network(), angle_delay_grid(site), device)
