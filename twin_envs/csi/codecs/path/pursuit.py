"""The strongest paths of a channel: matching pursuit in its angle-delay picture, for a batch at once.

Matching pursuit (Mallat and Zhang, "Matching pursuits with time-frequency dictionaries", IEEE Transactions on Signal
Processing 41(12), 1993) takes the path that is most like what is left of a channel, takes it out, and goes on. Here not
all paths are compared with all of the picture. Four neighbouring bins with most energy say where the next path is, and
the paths round there are compared with the bins round there: a hundredth of the work.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.transforms import AngleDelayGrid, dft
from twin_envs.csi.waves import BEAMS_PER_COLUMN, DELAYS_PER_TAP, waves

_BEFORE, _AFTER = 2, 3
"""Bins that paths are compared with, before and after the first of the two with most energy, in either direction."""
_MARGIN = 0.5
"""Paths are compared from so many bins before the first of these two up to so many behind the second."""


class Pursuit(Constant):
    """Finds paths of a dictionary in angle-delay pictures. It computes with real and imaginary planes of pictures.

    Args:
        dictionary: the paths.
        grid: sizes of a channel.
        device: where it computes.
    """

    margins = _BEFORE, _AFTER

    def __init__(self, dictionary: Dictionary, grid: AngleDelayGrid, device: torch.device) -> None:
        self._planes, self._taps, self._columns = 2 * grid.rows, grid.taps, grid.columns
        self._beams = dictionary.beams
        taps = torch.nn.functional.pad(dictionary.taps, self.margins)
        self._path_taps = torch.view_as_real(taps).contiguous()  # [D, taps and margins, 2]
        self._path_angles = _products(dictionary.angles).flatten(2)  # [S, 2, planes x columns]

        bins = torch.arange(-_BEFORE, _AFTER + 1)
        columns = bins if len(bins) <= grid.columns else torch.arange(grid.columns)
        delays, beams = _round(DELAYS_PER_TAP), _round(BEAMS_PER_COLUMN if grid.columns > 1 else 0)
        self._compares = len(delays), dictionary.rows, len(beams)
        along_delay = waves(-torch.arange(grid.blocks).double(), delays / DELAYS_PER_TAP / grid.blocks)
        along_delay = (along_delay @ dft(grid.blocks).conj())[:, bins % grid.blocks]
        along_row = waves(torch.arange(grid.rows).double(), torch.arange(dictionary.rows) / dictionary.rows)
        along_column = waves(torch.arange(grid.columns).double(), beams / dictionary.columns)
        along_column = (along_column @ dft(grid.columns))[:, columns % grid.columns]
        along_beam = torch.kron(along_row @ dft(grid.rows), along_column)  # [rows x beams, grid.rows x columns]
        sizes = [torch.linalg.vector_norm(along, dim=1) for along in (along_delay, along_beam)]
        self._size = torch.outer(*sizes).flatten().to(device, torch.float32)
        along_delay, along_beam = (
            _products(along / size[:, None]).to(device, torch.float32)
            for along, size in zip((along_delay, along_beam), sizes, strict=True)
        )
        self._along_beam = along_beam.permute(2, 3, 1, 0).flatten(2).flatten(0, 1).contiguous()
        self._along_delay = along_delay.permute(1, 0, 3, 2).flatten(2).flatten(0, 1).contiguous()

        # By the first bin, tap by tap and column by column: the bins round it, and the paths round it.
        tap, column = torch.arange(max(grid.taps - 1, 1))[:, None], torch.arange(grid.columns)
        plane = torch.arange(self._planes)[:, None] * grid.columns
        place = (tap[..., None, None, None] + bins[:, None, None] + _BEFORE) * self._planes * grid.columns
        place = place + plane + (column[:, None, None, None] + columns) % grid.columns
        self._bins = place.flatten(2).flatten(0, 1).to(device)
        row = torch.arange(dictionary.rows)[:, None] * dictionary.columns
        beam = row + (column[:, None, None] * BEAMS_PER_COLUMN + beams) % dictionary.columns
        delay = (tap * DELAYS_PER_TAP + delays).clamp(0, dictionary.delays - 1)
        index = delay[:, None, :, None] * dictionary.beams + beam.flatten(1)[:, None]
        self._paths = index.flatten(2).flatten(0, 1).to(device)

    def find(self, x: torch.Tensor, paths: int) -> torch.Tensor:
        """The paths that leave least of channels when one after the other is taken, so the first of them are the best.

        Args:
            x: windows of angle-delay pictures (see `crop`), complex64 [N, taps, antennas].
            paths: how many, K.

        Returns:
            Index of each in the dictionary, int64 [N, K].
        """
        left = self._planes_of(x)
        found: list[torch.Tensor] = []
        while True:
            first, like = self._around(left)
            best = like.square().sum(1).argmax(1)
            found.append(self._paths[first, best])
            if len(found) == paths:
                return torch.stack(found, 1)
            gain = like.gather(2, best[:, None, None].expand(-1, 2, 1))[..., 0] / self._size[best, None]
            delay, beam = self._path_taps[found[-1] // self._beams], self._path_angles[found[-1] % self._beams]
            taken = torch.view_as_complex(delay) * torch.view_as_complex(gain)[:, None]
            left.baddbmm_(torch.view_as_real(taken), beam, alpha=-1)

    def _planes_of(self, x: torch.Tensor) -> torch.Tensor:
        """Windows of pictures as real planes, float32 [N, taps and margins, planes x columns]."""
        planes = torch.view_as_real(x).movedim(-1, 2).flatten(2)
        return torch.nn.functional.pad(planes, (0, 0, *self.margins))

    def _around(self, left: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The first of the bins with most energy [N], and inner products with the paths round there [N, 2, paths]."""
        first = self._energy(left).flatten(1).argmax(1)
        return first, self._compared(left.flatten(1).gather(1, self._bins[first]))

    def _energy(self, left: torch.Tensor) -> torch.Tensor:
        """Energy of two taps and two columns from each tap and column on, all rows together: [N, taps - 1, columns]."""
        planes = left[:, _BEFORE : _BEFORE + self._taps].unflatten(2, (self._planes, self._columns)).unbind(2)
        energy = planes[0].square()
        for plane in planes[1:]:
            energy.addcmul_(plane, plane)
        if self._columns > 1:
            energy = energy + energy.roll(-1, 2)
        return energy[:, :-1] + energy[:, 1:] if self._taps > 1 else energy

    def _compared(self, bins: torch.Tensor) -> torch.Tensor:
        """Inner products of the paths round a bin, each of norm 1 in the bins round it, with these: [N, 2, paths]."""
        taps = _BEFORE + 1 + _AFTER
        by_beam = bins.view(len(bins) * taps, -1) @ self._along_beam  # [N x taps, 2 x beams]
        by_delay = self._along_delay @ by_beam.view(len(bins), 2 * taps, -1)  # [N, 2 x delays, beams]
        return by_delay.view(len(bins), 2, -1)


def _round(steps: int) -> torch.Tensor:
    """Paths compared, `steps` of them in a bin, counted from that bin; the one where they have no direction."""
    return torch.arange(-round(_MARGIN * steps), round((1 + _MARGIN) * steps) + 1)


def _products(values: torch.Tensor) -> torch.Tensor:
    """What the real and the imaginary part of a factor of complex numbers [W, M] count for, real [W, 2, 2, M]."""
    re, im = values.real, values.imag
    return torch.stack([torch.stack([re, im], 1), torch.stack([-im, re], 1)], 1)
