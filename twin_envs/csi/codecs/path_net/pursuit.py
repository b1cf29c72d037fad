"""The strongest paths of a channel, each where it really is: matching pursuit, with places between those compared.

Next to the path that is most like what is left, the likeness falls off as a parabola. Its top is taken, rounded to what
a report can say of a path as strong; so later paths mend what is lost by that.
"""

from __future__ import annotations

import torch

from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.pursuit import Pursuit
from twin_envs.csi.codecs.path_net.dictionary import FINE, FineDictionary
from twin_envs.csi.codecs.path_net.formats import STEPS, Format
from twin_envs.csi.transforms import AngleDelayGrid

_TINY = torch.finfo(torch.float32).tiny


class FinePursuit(Pursuit):
    """Finds paths of a fine dictionary in angle-delay pictures.

    Args:
        coarse: the paths that are compared.
        fine: the paths that can be named.
        grid: sizes of a channel.
        device: where it computes.
    """

    def __init__(self, coarse: Dictionary, fine: FineDictionary, grid: AngleDelayGrid, device: torch.device) -> None:
        super().__init__(coarse, grid, device)
        self._fine, self._coarse = fine, coarse
        self._taps_of = torch.nn.functional.pad(fine.taps, self.margins)
        self._lattice = torch.tensor(STEPS, device=device)

    def places(self, x: torch.Tensor, said: Format) -> torch.Tensor:
        """The paths that leave least of channels when one after the other is taken.

        Args:
            x: windows of angle-delay pictures (see `crop`), complex64 [N, taps, antennas].
            said: what reports can say, and how many paths.

        Returns:
            Place of each in the fine dictionary, int64 [N, K, 3].
        """
        left = self._planes_of(x)
        found: list[torch.Tensor] = []
        strongest = torch.zeros(len(x), device=x.device)
        while True:
            first, products = self._around(left)
            like = products.square().sum(1)
            size, best = like.max(1)
            strongest = strongest if found else size
            below_db = 10 * torch.log10(strongest / size.clamp_min(_TINY))
            found.append(self._placed(self._paths[first, best], like, best, self._lattice[said.steps(below_db)]))
            if len(found) == said.paths:
                return torch.stack(found, 1)
            self._take(left, found[-1])

    def _placed(self, index: torch.Tensor, like: torch.Tensor, best: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Places [N, 3] on lattices of so many steps [N], by how alike the paths round the best are, [N, compared]."""
        delays, rows, columns = self._compares
        around = like.view(-1, delays, rows, columns)
        each = torch.arange(len(best), device=best.device)
        at: list[torch.Tensor] = []
        for size in (columns, rows, delays):
            at.insert(0, best % size)
            best = best // size
        delay, row, column = at
        lines = (around[each, :, row, column], around[each, delay, :, column], around[each, delay, row])
        beams = index % self._coarse.beams
        base = (index // self._coarse.beams, beams // self._coarse.columns, beams % self._coarse.columns)
        place = []
        for axis, (line, middle, size) in enumerate(zip(lines, at, self._fine.sizes, strict=True)):
            top = FINE * _top(line, middle, round_about=axis == 1) if size > 1 else torch.zeros_like(line[:, 0])
            fine = (FINE if size > 1 else 1) * base[axis] + ((top / step).round() * step).long()
            place.append(fine.clamp(0, size - FINE) if axis == 0 else fine % size)
        return torch.stack(place, 1)

    def _take(self, left: torch.Tensor, place: torch.Tensor) -> None:
        """Take paths at `place` [N, 3] out of what is left of channels, in place."""
        angles = self._fine.angles(place)
        beam = torch.stack([torch.cat([angles.real, angles.imag], 1), torch.cat([-angles.imag, angles.real], 1)], 1)
        taps = self._taps_of[place[:, 0]]
        seen = torch.view_as_complex(torch.bmm(left, beam.mT))
        gain = (taps.conj() * seen).sum(1, keepdim=True)
        left.baddbmm_(torch.view_as_real(taps * gain), beam, alpha=-1)


def _top(line: torch.Tensor, middle: torch.Tensor, *, round_about: bool) -> torch.Tensor:
    """How far from `middle` [N] the top of a parabola through it and its neighbours is, from -0.5 to 0.5; 0 at the end
    of a line [N, L] that does not go round."""
    size = line.shape[1]
    if size < 3:
        return torch.zeros_like(line[:, 0])
    before, here, behind = (line.gather(1, ((middle + way) % size)[:, None])[:, 0] for way in (-1, 0, 1))
    top = 0.5 * (before - behind) / (before - 2 * here + behind).clamp_max(-_TINY)
    at_end = (middle == 0) | (middle == size - 1)
    return torch.where(at_end & ~torch.tensor(round_about), 0.0, top.clamp(-0.5, 0.5))
