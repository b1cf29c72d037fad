"""The beams of a planar array: a DFT codebook, and which beams are neighbours."""

from __future__ import annotations

import math

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import phasor
from twin_envs.world.recipe import ArrayRecipe

SWEEPS = (1, 3, 7, 15, 0)
"""How many beams a sweep may have; 0 stands for all of them. A beam alone is not swept: it serves at once."""
BEAMS = range(SWEEPS[-2] + 1, 65)
"""How many narrow beams there may be, one for each antenna: more than the largest sweep of some of them, and at most as
many as there are SSBs (TS 38.213, 4.1) and resources of CSI-RS in a set (TS 38.331,
maxNrofNZP-CSI-RS-ResourcesPerSet)."""
ROW_STEP = 1.8
"""Distance of neighbouring rows of beams, in columns. So 3 beams are a row of three, 7 a cross that is longer to the
sides, 15 a block of 5 x 3."""


def _centred(count: int) -> torch.Tensor:
    """Spatial frequencies of `count` orthogonal beams, symmetric about broadside [cycles per antenna]."""
    return (torch.arange(count) - (count - 1) / 2) / count


class Codebook(Constant):
    """As many orthogonal narrow beams as the array has antennas, and the wide beams of its SSBs.

    Narrow beam k * columns + l turns the phase by `row_cycles[k]` from antenna row to row and by `column_cycles[l]`
    from column to column: a two-dimensional DFT, shifted by half a beam so that it is symmetric about broadside. Beams
    go from the top down, and from right to left as seen from the array.

    The beam of an SSB is the sum of `together` neighbouring narrow beams of a row, in phase at the array's middle,
    where a sum of Dirichlet kernels stays within 2.2 dB between their peaks: as much wider, as much weaker. With one
    narrow beam for each SSB both are the same. Wide beams have the numbers after the narrow ones.

    Args:
        array: the array of the APs, with 16 to 64 antennas.
        device: where the beams lie.
        ssb_beams: number of SSBs; None for one for each narrow beam.

    Attributes:
        beams: number of narrow beams, K.
        ssb_beams: number of wide beams, G.
        together: narrow beams of a wide one.
        every: K + G.
        weights: complex64 [K + G, antennas], each of unit power; the received signal is h^T w, without conjugate.
        place: row and column of each beam's middle, float32 [K + G, 2].
        ssb_of: the SSB whose wide beam each narrow one belongs to, int64 [K].
        order: the narrow beams from each beam outwards, int64 [K + G, K]; a narrow beam itself first.
        azimuth_rad: of each beam's middle about the boresight, float32 [K + G].
        width_rad: of each beam between its neighbours in azimuth, float32 [K + G].

    Raises:
        ConfigurationError: the array has too few antennas or too many, or SSBs do not share out a row of beams evenly.
    """

    def __init__(self, array: ArrayRecipe, device: torch.device | str = "cpu", ssb_beams: int | None = None) -> None:
        self.rows, self.columns = array.rows, array.columns
        self.beams = count = array.rows * array.columns
        check_number("antennas of the site's arrays", count, BEAMS[0], BEAMS[-1], integer=True)
        self.ssb_beams = count if ssb_beams is None else ssb_beams
        even = [array.rows * n for n in range(1, array.columns + 1) if array.columns % n == 0]
        check_choice("ssb_beams", self.ssb_beams, even)
        self.together, self.every = count // self.ssb_beams, count + self.ssb_beams
        self.row_cycles, self.column_cycles = _centred(array.rows), _centred(array.columns)
        antenna = torch.cartesian_prod(torch.arange(self.rows), torch.arange(self.columns)).float()
        middle = torch.tensor([self.rows - 1, self.columns - 1]) / 2
        grid = torch.cartesian_prod(self.row_cycles, self.column_cycles)
        narrow = phasor(2 * math.pi * (grid @ (antenna - middle).mT)).conj_physical() / math.sqrt(count)
        wide = narrow.unflatten(0, (-1, self.together)).sum(1) / math.sqrt(self.together)
        self.weights = torch.cat([narrow, wide]).to(device)
        place = torch.cat([antenna, antenna.unflatten(0, (-1, self.together)).mean(1)])
        offset = (place[:, None] - antenna) * torch.tensor([ROW_STEP, 1.0])
        self.place = place.to(device)
        self.ssb_of = torch.arange(count, device=device) // self.together
        self.order = offset.norm(dim=-1).double().argsort(stable=True, dim=-1).to(device)
        across = (place[:, 1] - middle[1]) / (self.columns * array.column_spacing)
        half = torch.tensor([0.5] * count + [0.5 * self.together] * self.ssb_beams)
        half = half / (self.columns * array.column_spacing)
        edges = [(across + side * half).clamp(-1.0, 1.0).asin() for side in (-1, 1)]
        self.azimuth_rad = across.clamp(-1.0, 1.0).asin().to(device)
        self.width_rad = (edges[1] - edges[0]).to(device)
        self.row_cycles, self.column_cycles = self.row_cycles.to(device), self.column_cycles.to(device)

    @property
    def ssbs(self) -> torch.Tensor:
        """The wide beams, bool [K + G]."""
        return torch.arange(self.every, device=self.order.device) >= self.beams

    def spread(self, power: torch.Tensor) -> torch.Tensor:
        """Power of all beams [..., K + G] from that of the narrow ones [..., K]: a wide one has their mean."""
        return torch.cat([power, power.unflatten(-1, (-1, self.together)).mean(-1)], -1)

    def sweep_size(self, choice: int) -> int:
        """Beams of sweep `choice`, an index into `SWEEPS`. Raises `ConfigurationError` if there is no such sweep."""
        check_choice("sweep", choice, range(len(SWEEPS)))
        return SWEEPS[choice] or self.beams

    @property
    def sweep_sizes(self) -> torch.Tensor:
        """Beams of every sweep, int64 [sweeps]."""
        return torch.tensor([self.sweep_size(choice) for choice in range(len(SWEEPS))], device=self.order.device)

    def swept(self, centre: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """The `count` [N] narrow beams nearest to beam `centre` [N], as bool [N, K + G]."""
        near = torch.arange(self.beams, device=self.order.device) < count[:, None]
        return torch.zeros(len(centre), self.every, dtype=torch.bool, device=self.order.device).scatter_(
            1, self.order[centre], near
        )

    def response(self, row_cycles: torch.Tensor, column_cycles: torch.Tensor) -> torch.Tensor:
        """Power gain of every narrow beam for plane waves, float32 [N, K]; K * 1 towards a beam's own direction.

        Args:
            row_cycles, column_cycles: growth of the wave's phase from antenna row to row, column to column [N].
        """
        rows = _fejer(row_cycles[:, None] - self.row_cycles, self.rows)
        columns = _fejer(column_cycles[:, None] - self.column_cycles, self.columns)
        return (rows[:, :, None] * columns[:, None, :]).flatten(1)


def _fejer(cycles: torch.Tensor, count: int) -> torch.Tensor:
    """|sum over n < count of exp(2 pi i cycles n)|^2 / count."""
    cycles = cycles - cycles.round()
    small = torch.sin(math.pi * cycles)
    ratio = torch.sin(math.pi * count * cycles) / small
    return torch.where(small.abs() < 1e-6, float(count), ratio.square() / count)
