"""Plane waves that a channel is searched for: how dense their delays and beams are, and how alike they are."""

from __future__ import annotations

import torch

from twin_envs.csi.transforms import AngleDelayGrid

DELAYS_PER_TAP = 2
BEAMS_PER_ROW, BEAMS_PER_COLUMN = 2, 4
"""Beams for each row and column of the array; one where there is a single row or column."""
RIDGE = 1e-4
"""Added to the Gram matrix of chosen paths, which are of norm 1: neighbours are nearly the same."""


def waves(place: torch.Tensor, cycles: torch.Tensor) -> torch.Tensor:
    """Waves of unit norm at `place` [M] of so many `cycles` [W] from one place to the next: complex128 [W, M]."""
    phase = 2.0 * torch.pi * torch.outer(cycles, place)
    return torch.polar(torch.full_like(phase, len(place) ** -0.5), phase)


def beams(grid: AngleDelayGrid) -> tuple[int, int, torch.Tensor]:
    """Beams of an array, in a uniform grid of the phase steps between rows and between columns.

    Returns:
        R steps between rows, C steps between columns, and the beams, row steps first: complex128 [R x C, antennas].
    """
    rows = grid.rows * BEAMS_PER_ROW if grid.rows > 1 else 1
    columns = grid.columns * BEAMS_PER_COLUMN if grid.columns > 1 else 1
    row, column = (
        waves(torch.arange(size, dtype=torch.float64), torch.arange(count, dtype=torch.float64) / count)
        for size, count in ((grid.rows, rows), (grid.columns, columns))
    )
    return rows, columns, torch.kron(row, column)


def gram(atoms: torch.Tensor) -> torch.Tensor:
    """Inner products of waves [W, M], each with each: [W, W]."""
    return atoms.conj() @ atoms.mT


def among(products: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The part of inner products [W, W] that is about chosen waves, int64 [N, K]: [N, K, K]."""
    return products[chosen[:, :, None], chosen[:, None]]
