"""A path codec whose UE is told what the twin expects: a report names the strongest paths, arithmetically coded.

A report is as long as its paths are surprising. It holds as many as its format has, or as many as fit in the codeword.
Gains are coarser than those of the codec `path`, and their errors balanced: amplitudes in steps of 3 dB, of which small
ones are the more frequent the weaker the path, and phases with a bit less for every 12 dB that a path is weaker than
the strongest.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import computing, lasting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.arithmetic import Coder, Encoder
from twin_envs.csi.codecs.coded_paths import CodedPaths
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.gains import nearest_falls
from twin_envs.csi.codecs.path.pursuit import Pursuit
from twin_envs.csi.codecs.path_twin.expected import EXPECTED, NONE, STRENGTH_BITS, expected_paths
from twin_envs.csi.codecs.path_twin.prior import Prior
from twin_envs.csi.codecs.protocol import (
    level_to_gain,
)
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.csi.waves import DELAYS_PER_TAP
from twin_envs.twin.protocol import ExpectsPaths
from twin_envs.world.store.site import Site, kept_by_site

PATHS = {30: 2, 46: 3, 62: 4, 92: 6, 124: 8, 184: 12, 246: 16}
"""Most paths of a report, by its length [bits]."""
STEP_DB = 3.0
PHASE_BITS = 4
STEPS_PER_PHASE_BIT = 4
"""A phase has a bit less, but at least one, for so many steps below the strongest path."""
FALLS = (
    (6, 10, 10, 16, 9, 6, 3, 2, 1, 1, 1, 1),
    (11, 22, 16, 9, 4, 2, 1, 1, 1, 1, 1, 1),
    (20, 26, 12, 4, 2, 1, 1, 1, 1, 1, 1, 1),
    (60, 52, 14, 3, 1, 1, 1, 1, 1, 1, 1, 1),
)
"""How frequent it is that a path is 0, 1, ... steps weaker than the one before: the second, third, fourth and later
ones, as in channels of the twin of `munich`."""
_TINY = torch.finfo(torch.float32).tiny


class PathTwin(CodedPaths, Constant):
    """The codec `path-twin`.

    Args:
        grid: sizes of a channel.
        device: where it computes.
    """

    asks = ExpectsPaths
    downlink_bits: int

    def __init__(self, grid: AngleDelayGrid, device: torch.device) -> None:
        self.grid, self._dictionary = grid, Dictionary(grid, device)
        self._pursuit = Pursuit(self._dictionary, grid, device)
        self._prior = Prior(self._dictionary, grid.precursor_taps * DELAYS_PER_TAP, device)
        self._falls = torch.tensor(FALLS, device=device)
        self._formats, self._nothing_told = PATHS, torch.tensor([[[0, NONE]] * EXPECTED], device=device)
        index_bits = (self._dictionary.delays * self._dictionary.beams - 1).bit_length()
        self.downlink_bits = EXPECTED * (index_bits + STRENGTH_BITS)

    def tell(
        self, twin: ExpectsPaths, position_m: torch.Tensor, position_std_m: torch.Tensor, ap: torch.Tensor
    ) -> torch.Tensor:
        """What UEs are told of the paths to expect (see `Codec.tell`)."""
        with computing(len(ap)):
            return expected_paths(twin, position_m, position_std_m, ap, self._dictionary, self.grid)

    def _fitting(self, x: torch.Tensor, told: torch.Tensor, length: int) -> torch.Tensor:
        most = PATHS[length]
        index = self._pursuit.find(x, most)
        paths = self._nothing(len(x), length)
        rows = torch.arange(len(x), device=x.device)
        for count in range(most, 0, -1):  # one path less where they do not fit
            few = self._nothing(len(rows), length)
            its_index = index[rows, :count]
            few[:, :count] = self._quantised(its_index, self._dictionary.fit(x[rows], its_index))
            encoder = Encoder(len(rows), length, x.device)
            self._walk(encoder, length, told[rows], few)
            fit = encoder.finish()[1] <= length
            paths[rows[fit]] = few[fit]
            rows = rows[~fit]
            if not len(rows):
                break
        return paths

    def _nothing(self, reports: int, length: int) -> torch.Tensor:
        return torch.zeros(reports, PATHS[length], 5, dtype=torch.int64, device=self._falls.device)

    def _quantised(self, index: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Paths (see `_walk`) of indices and gains [N, K], strongest first."""
        order = gain.abs().argsort(dim=1, descending=True, stable=True)
        index, gain = index.gather(1, order), gain.gather(1, order)
        fall = nearest_falls(gain, STEP_DB, len(FALLS[0]) - 1)
        phases = _phases(fall.cumsum(1))
        turn = torch.angle(gain * gain[:, :1].conj()) / (2 * torch.pi)
        phase = (turn * phases).round().long() % phases
        beams = self._dictionary.beams
        return torch.stack([torch.ones_like(index), index % beams, index // beams, fall, phase], -1)

    def _walk(self, coder: Coder, length: int, told: torch.Tensor, paths: torch.Tensor) -> torch.Tensor:
        """How many paths less than the most there are, and of each its beam, delay, fall and phase.

        Paths are int64 [N, K, 5]: whether there is such a path, its beam, its delay, by how many steps it is weaker
        than the one before, its phase against the strongest. What is expected is int64 [N, M, 2].
        """
        reports, most = paths.shape[:2]
        expected, fewer = self._prior.given(told), most - paths[..., 0].sum(1)
        frequency = 2 ** (most - torch.arange(most, device=told.device)) // 2
        frequency[0] *= 3
        every = torch.ones(reports, dtype=torch.bool, device=told.device)
        fewer = coder.code(frequency.expand(reports, -1), fewer, every)
        there = torch.arange(most, device=told.device) < most - fewer[:, None]
        beam, delay, fall, phase = (torch.zeros(reports, most, dtype=torch.int64, device=told.device) for _ in range(4))
        for path in range(most):
            this, (_, its_beam, its_delay, its_fall, its_phase) = there[:, path], paths[:, path].unbind(-1)
            before = beam[:, :path]
            beam[:, path] = coder.code(expected.of_beams(before), its_beam, this)
            delay[:, path] = coder.code(expected.of_delays(before, beam[:, path]), its_delay, this)
            if path:
                falls = self._falls[min(path, len(FALLS)) - 1].expand(reports, -1)
                fall[:, path] = coder.code(falls, its_fall, this)
                phases = _phases(fall.sum(1))[:, None]
                even = (torch.arange(2**PHASE_BITS, device=told.device) < phases).long()
                phase[:, path] = coder.code(even, its_phase, this)
        return torch.stack([there.long(), beam, delay, fall, phase], -1)

    def _channels(
        self, paths: torch.Tensor, length: int, level: torch.Tensor, block: torch.Tensor | None = None
    ) -> torch.Tensor:
        there, beam, delay, fall, phase = paths.unbind(-1)
        index, down = delay * self._dictionary.beams + beam, fall.cumsum(1)
        gain = there * torch.polar(10 ** (-STEP_DB / 20 * down), 2 * torch.pi * phase / _phases(down))
        power = self._dictionary.energy(index, gain) / (self.grid.blocks * self.grid.antennas)
        gain = gain * (level_to_gain(level) / power.clamp_min(_TINY)).sqrt()[:, None]
        return self._dictionary.channels(index, gain, block)


def _phases(down: torch.Tensor) -> torch.Tensor:
    """How many phases paths are told in that are so many steps weaker than the strongest, int64 of the same shape."""
    return 2 ** (PHASE_BITS - down // STEPS_PER_PHASE_BIT).clamp_min(1)


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> PathTwin:
    """The codec for the array and the carrier of a site."""
    return PathTwin(angle_delay_grid(site), device)
