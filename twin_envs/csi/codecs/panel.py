"""What the codebooks of NR have in common: ports of a panel, DFT beams, subbands, indices of combinations.

The codebooks of TS 38.214, 5.2.2.2 are made for 2 N1 N2 ports: two groups of N1 x N2, one for each polarisation, in the
same places. The arrays of our sites have one polarisation. Which antenna is behind which port is the cell's own
affair, and all that the codebooks ask of the two groups is that they look alike. So the first group is one half of the
array and the second the other half: the first and the last rows or, where the number of rows is odd, the first and the
last columns. Everything else, the counts of bits above all, is as in NR, and a UE that can do the codebook can do this.
What is called co-phasing of polarisations there is the phase between the halves here.

A panel of one group is the array as it is. NR has no such panels; a codebook for one is what NR's would be if it were
made for arrays of one polarisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.overhead import CSI_RS_PORTS
from twin_envs.csi.nr.subbands import SUBBAND_SIZES
from twin_envs.csi.transforms import AngleDelayGrid

GROUPS = 2
"""Groups of ports that look alike, in NR."""
PANELS = (
    *((2, 1), (2, 2), (4, 1), (3, 2), (6, 1), (4, 2), (8, 1)),
    *((4, 3), (6, 2), (12, 1), (4, 4), (8, 2), (16, 1)),
)
"""N1 and N2 of the panels that NR knows, 4 to 32 ports (TS 38.214, table 5.2.2.2.1-2)."""
SMALLEST_PANEL = 4
"""Ports of the smallest of them."""
OVERSAMPLING = 4
"""Beams for each port of a dimension that has several; the same table."""


@dataclass(frozen=True, kw_only=True)
class Panel(Constant):
    """Ports of an array, and the subbands of its carrier.

    Attributes:
        groups: of ports that look alike, 1 or 2.
        n1: ports of a group in the first dimension, the longer one.
        n2: ports of a group in the second dimension.
        antenna: antenna behind each port, int64 [ports]; port = (group * n1 + first) * n2 + second.
        subband: subband of each resource block, int64 [blocks].
    """

    groups: int
    n1: int
    n2: int
    antenna: torch.Tensor
    subband: torch.Tensor

    @property
    def oversampling(self) -> tuple[int, int]:
        """O1 and O2."""
        return OVERSAMPLING, OVERSAMPLING if self.n2 > 1 else 1

    @property
    def group(self) -> int:
        """Ports of a group."""
        return self.n1 * self.n2

    @property
    def subbands(self) -> int:
        """Number of subbands, N3 in NR."""
        return int(self.subband[-1]) + 1

    def beams(self) -> torch.Tensor:
        """The vectors v_(l, m) of 5.2.2.2.1, each of norm sqrt(group): complex64 [N1 O1 (l), N2 O2 (m), group]."""
        first, second = (_steering(n, o) for n, o in zip((self.n1, self.n2), self.oversampling, strict=True))
        return (first[:, None, :, None] * second[None, :, None, :]).flatten(-2).to(self.antenna.device, torch.complex64)

    def precoders(self, h: torch.Tensor) -> torch.Tensor:
        """What codebooks describe: conjugate channels, mean over each subband.

        Args:
            h: complex64 [N, blocks, antennas].

        Returns:
            complex64 [N, subbands, groups, group].
        """
        share = torch.nn.functional.one_hot(self.subband, self.subbands).mT.to(h)
        w = (share / share.sum(1, keepdim=True)) @ h[..., self.antenna].conj_physical()
        return w.unflatten(-1, (self.groups, self.group))

    def channels(self, w: torch.Tensor, path_gain: torch.Tensor, block: torch.Tensor | None = None) -> torch.Tensor:
        """Channels for which `w` are the best precoders, as strong as the report says they are.

        Args:
            w: complex64 [N, subbands, groups, group], of any scale, but for each report not all zero.
            path_gain: mean of |h|^2 over blocks and antennas, float32 [N].
            block: resource blocks [F] where the channels are wanted; None for all.

        Returns:
            complex64 [N, F, antennas].
        """
        blocks = torch.bincount(self.subband, minlength=self.subbands)
        power = (w.abs().square().sum((2, 3)) * blocks).sum(1) / (len(self.subband) * len(self.antenna))
        scale = (path_gain / power.clamp_min(torch.finfo(torch.float32).tiny)).sqrt()
        antennas = (w.conj_physical() * scale[:, None, None, None]).flatten(-2)[..., self.antenna.argsort()]
        return antennas[:, self.subband if block is None else self.subband[block]]


def panel_of(codec: str, grid: AngleDelayGrid, device: torch.device, groups: int = GROUPS) -> Panel:
    """The ports of an array.

    Args:
        codec: name of the codebook, for the message.
        grid: sizes of a channel.
        device: where the codebook computes.
        groups: of ports, 1 or 2.

    Raises:
        ConfigurationError: NR has no panel of this size or no subbands for so few blocks; the message says which work.
    """
    half = _part(grid.rows, grid.columns, groups)
    if half is None:
        arrays = ((rows, columns) for rows in range(1, 33) for columns in range(1, 33))
        known = ", ".join(f"{rows} x {columns}" for rows, columns in arrays if _part(rows, columns, groups))
        raise ConfigurationError(
            f"codec {codec!r} knows arrays of these rows x columns: {known}; this site has {grid.rows} x {grid.columns}"
        )
    sizes = [smaller for low, high, (smaller, _) in SUBBAND_SIZES if low <= grid.blocks <= high]
    if not sizes:
        raise ConfigurationError(
            f"codec {codec!r} works with {SUBBAND_SIZES[0][0]} resource blocks or more, for NR has no subbands in "
            f"fewer; this site has csi_blocks = {grid.blocks}"
        )
    antenna = torch.arange(grid.antennas, device=device).view(grid.rows, grid.columns)
    parts = torch.stack(antenna.chunk(groups, 0 if grid.rows % groups == 0 else 1))  # [group, row, column]
    return Panel(
        groups=groups,
        n1=max(half),
        n2=min(half),
        antenna=(parts.mT if half[1] >= half[0] else parts).flatten(),
        subband=torch.arange(grid.blocks, device=device) // sizes[0],
    )


def combination_index(chosen: torch.Tensor, size: int) -> torch.Tensor:
    """Index of a subset (TS 38.214, 5.2.2.2.3): int64 [N, k], ascending from 0 to size - 1 -> [N]."""
    k = chosen.shape[1]
    return _binomials(size, k, chosen.device)[size - 1 - chosen, torch.arange(k, device=chosen.device)].sum(1)


def combination(index: torch.Tensor, size: int, k: int) -> torch.Tensor:
    """Inverse of `combination_index`: [N] -> int64 [N, k]."""
    table = _binomials(size, k, index.device)
    chosen = []
    for column in table.unbind(1):
        rest = torch.searchsorted(column.contiguous(), index.contiguous(), right=True) - 1
        chosen.append(size - 1 - rest)
        index = index - column[rest]
    return torch.stack(chosen, 1) if chosen else index.new_zeros(len(index), 0)


def bits_for(count: int) -> int:
    """Bits of an index of `count` values."""
    return (count - 1).bit_length()


def _binomials(size: int, k: int, device: torch.device) -> torch.Tensor:
    """C(x, k - i) for x = 0..size - 1 and i = 0..k - 1, int64 [size, k]."""
    rows = [[math.comb(x, k - i) for i in range(k)] for x in range(size)]
    return torch.tensor(rows, dtype=torch.int64, device=device).view(size, k)


def _part(rows: int, columns: int, groups: int) -> tuple[int, int] | None:
    """Rows and columns of a group of ports; None if there is no such panel."""
    if groups == 1:
        return (rows, columns) if rows * columns in CSI_RS_PORTS and rows * columns >= SMALLEST_PANEL else None
    if rows % groups == 0:
        part = rows // groups, columns
    elif columns % groups == 0:
        part = rows, columns // groups
    else:
        return None
    return part if (max(part), min(part)) in PANELS else None


def _steering(ports: int, oversampling: int) -> torch.Tensor:
    beam = torch.arange(ports * oversampling, dtype=torch.float64)
    phase = 2.0 * torch.pi * torch.outer(beam, torch.arange(ports, dtype=torch.float64)) / len(beam)
    return torch.polar(torch.ones_like(phase), phase)
