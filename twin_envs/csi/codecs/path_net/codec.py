"""A path codec with a network: a report names the strongest paths, coded with what the network has learnt of paths.

The stronger a path is against the strongest, the finer it is placed, and the finer its phase is told. Where paths are
is coded with what the network expects (see `network` and `prior`); all of a report goes through one arithmetic code.
The encoder knows beforehand how many bits a report takes, so it is written once.
"""

from __future__ import annotations

import torch
from torch import nn

from twin_envs.base.constant import Constant
from twin_envs.base.settings import lasting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.arithmetic import Coder
from twin_envs.csi.codecs.coded_paths import CodedPaths
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.gains import nearest_falls
from twin_envs.csi.codecs.path_net.circumstances import NONE
from twin_envs.csi.codecs.path_net.dictionary import FINE, FineDictionary
from twin_envs.csi.codecs.path_net.formats import FORMATS, LARGEST_FALL, STEPS, Format
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.codecs.path_net.prior import Prior
from twin_envs.csi.codecs.path_net.pursuit import FinePursuit
from twin_envs.csi.codecs.path_net.weights import STORED
from twin_envs.csi.codecs.protocol import (
    TellsNothing,
    level_to_gain,
)
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.csi.waves import DELAYS_PER_TAP
from twin_envs.world.store.site import Site, kept_by_site

LENGTHS = (42, 58, 76, 108, 140, 200, 264)
"""Bits of codewords, by `FORMATS`."""
_LOST_BITS = 0.15
"""What the arithmetic code loses at most by rounding; a bit more may be lost at the end of a report."""
_TINY = torch.finfo(torch.float32).tiny


class PathNet(CodedPaths, TellsNothing, nn.Module, Constant):
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
        self._formats = {length: number for number, length in enumerate(lengths)}
        self._nothing_told = torch.tensor([[[0, 0, 0, NONE]]], device=device)
        self._lattice = torch.tensor(STEPS, device=device)
        self._falls = network.falls.long().to(device)
        share = network.falls.double() / network.falls.double().sum(2, keepdim=True)
        self._fall_bits = -torch.log2(share).to(device)

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

    def _fitting(self, x: torch.Tensor, told: torch.Tensor, length: int) -> torch.Tensor:
        number = self._formats[length]
        said = FORMATS[number]
        place, paths = self.pursuit.places(x, said), self._nothing(len(x), length)
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

    def _nothing(self, reports: int, length: int) -> torch.Tensor:
        return torch.zeros(
            reports, FORMATS[self._formats[length]].paths, 6, dtype=torch.int64, device=self._falls.device
        )

    def _counts(self, said: Format) -> torch.Tensor:
        """How frequent it is that a report has 0, 1, ... paths less than the most, up to all of them."""
        frequency = 2 ** (said.paths - torch.arange(said.paths + 1, device=self._falls.device))
        frequency[0] *= 3
        return frequency

    def _walk(self, coder: Coder, length: int, told: torch.Tensor, paths: torch.Tensor) -> torch.Tensor:
        """How many paths there are, and of each its fall, column, row, delay and phase (see `quantised`)."""
        number = self._formats[length]
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
        self, paths: torch.Tensor, length: int, level: torch.Tensor, block: torch.Tensor | None = None
    ) -> torch.Tensor:
        said = FORMATS[self._formats[length]]
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
    return PathNet(STORED.packaged, angle_delay_grid(site), device)
