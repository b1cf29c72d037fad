"""Paths in pilots on every s-th block: looked for one after the other, and placed between the places compared."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import phasor, squared_magnitude
from twin_envs.csi.transforms import AngleDelayGrid

PER_TAP, PER_BEAM = 2, 2
"""Delays that are compared for each tap, and steps for each row and column."""
_TINY = torch.finfo(torch.float32).tiny


class Found(NamedTuple):
    """K paths of each of N UEs, in the order in which they were found.

    Attributes:
        delay: [N, K], in taps, from 0 to blocks / spacing: what is later folds into that.
        row, column: [N, K], growth of the phase from row to row and from column to column [cycles].
        gain: complex64 [N, K], of waves that have the norm 1 over all pilots.
    """

    delay: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    gain: torch.Tensor


class Waves(NamedTuple):
    """Each path's plane wave, and how it changes with its delay, column and row: M = 4 K waves of the norm 1.

    Attributes:
        delay: over the pilots' blocks, complex64 [N, M, F].
        everywhere: the same continued to all blocks, by the shortest of all delays [N, M, blocks].
        beam: over antennas, complex64 [N, M, antennas].
        slope: by how much the first K waves change for a tap, a column's cycle and a row's, over their norm.
    """

    delay: torch.Tensor
    everywhere: torch.Tensor
    beam: torch.Tensor
    slope: tuple[float, float, float]


class Comb(Constant):
    """Pilots on every `spacing`-th block.

    Args:
        grid: sizes of a channel.
        spacing: resource blocks from one pilot to the next.
        device: where it computes.

    Attributes:
        pilots: blocks that have one, F.
        delays, rows, columns: how many of each are compared.
        place: delays [taps], growth from row to row and from column to column [cycles] that are compared.
        step: from one of each to the next.
    """

    def __init__(self, grid: AngleDelayGrid, spacing: int, device: torch.device) -> None:
        self.grid, self.spacing, self.pilots = grid, spacing, grid.blocks // spacing
        self.delays = self.pilots * PER_TAP
        self.rows, self.columns = (PER_BEAM * size if size > 1 else 1 for size in (grid.rows, grid.columns))
        sizes, self.step = (self.delays, self.rows, self.columns), (1 / PER_TAP, 1 / self.rows, 1 / self.columns)
        self.place = tuple(
            torch.arange(size, device=device) * step for size, step in zip(sizes, self.step, strict=True)
        )
        self._block = spacing * _centred(self.pilots, device)
        self._everywhere = torch.arange(grid.blocks, device=device) - spacing * (self.pilots - 1) / 2
        self._row, self._column = (_centred(size, device) for size in (grid.rows, grid.columns))
        along = (self._block / -grid.blocks, self._row, self._column)
        self._turns = torch.block_diag(*along)  # [3, F + rows + columns]
        self._norm = torch.cat([torch.full_like(each, len(each) ** -0.5) for each in along])
        self._delay = self._delay_wave(self.place[0], self._block)
        self._beam = torch.kron(self._beam_wave(self.place[1], self._row), self._beam_wave(self.place[2], self._column))
        self._at = torch.cartesian_prod(*self.place)  # [places, 3]
        self._step = torch.tensor(self.step, device=device)
        self._around = _neighbours(sizes, device)

    def find(self, y: torch.Tensor, noise: torch.Tensor, log_odds: torch.Tensor, paths: int) -> Found:
        """The paths that are likeliest when one after the other is taken out.

        If there is one path, at one of the places compared, its place is as probable as it was before, times
        exp(|product of wave and pilots|^2 / noise). Next to the likeliest, the likeness falls off as a parabola; its
        top is taken.

        Args:
            y: pilots, complex64 [N, F, antennas].
            noise: float32 [N], variance of a pilot's error.
            log_odds: how much likelier a path is at each place before pilots are heard than if all were alike,
                natural logarithm, float32 [N, delays, rows * columns].
            paths: how many, K.
        """
        left, sizes = y.clone(), [self.pilots, self.grid.rows, self.grid.columns]
        products = self._delay.conj() @ left @ self._beam.mH  # [N, D, S]
        inverse = (1 / noise)[:, None, None]
        places, gains = [], []
        for _ in range(paths):
            like = squared_magnitude(products)
            best = torch.addcmul(log_odds, like, inverse).flatten(1).argmax(1)
            here, before, behind = like.flatten(1).gather(1, self._around[best]).split((1, 3, 3), 1)
            top = (0.5 * (before - behind) / (before - 2 * here + behind).clamp_max(-_TINY)).clamp(-0.5, 0.5)
            place = torch.addcmul(self._at[best], top, self._step)
            waves = phasor(2 * math.pi * torch.remainder(place @ self._turns, 1.0)) * self._norm
            delay, row, column = waves.split(sizes, 1)
            beam = (row[:, :, None] * column[:, None]).flatten(1)
            gain = (delay.conj()[:, None] @ left @ beam.conj()[..., None])[:, 0]  # [N, 1]
            taken = gain * delay
            left.baddbmm_(taken[..., None], beam[:, None], alpha=-1)
            products.baddbmm_((taken @ self._delay.mH)[..., None], (beam @ self._beam.mH)[:, None], alpha=-1)
            places.append(place)
            gains.append(gain)
        at = torch.stack(places, 1)
        return Found(at[..., 0], at[..., 1], at[..., 2], torch.cat(gains, 1))

    def waves(self, found: Found) -> Waves:
        """The waves of paths."""
        place = (found.delay, found.row, found.column)
        here, there = (self._delay_wave(place[0], block) for block in (self._block, self._everywhere))
        row, column = self._beam_wave(place[1], self._row), self._beam_wave(place[2], self._column)
        late, far, high = (_spread(along) for along in (self._block, self._column, self._row))

        def beam(of_row: torch.Tensor, of_column: torch.Tensor) -> torch.Tensor:
            return (of_row[..., :, None] * of_column[..., None, :]).flatten(-2)

        plain = beam(row, column)
        return Waves(
            delay=torch.cat([here, -1j * here * self._block / late, here, here], 1),
            everywhere=torch.cat([there, -1j * there * self._everywhere / late, there, there], 1),
            beam=torch.cat(
                [plain, plain, beam(row, 1j * column * self._column / far), beam(1j * row * self._row / high, column)],
                1,
            ),
            slope=(2 * math.pi * late / self.grid.blocks, 2 * math.pi * far, 2 * math.pi * high),
        )

    def aliases(self, share: torch.Tensor) -> torch.Tensor:
        """What a wave of the shortest delay has to be multiplied with where it may as well be later.

        All delays that differ by blocks / spacing taps are one at the pilots.

        Args:
            share: of each of these, from the shortest, float32 [N, K, spacing].

        Returns:
            complex64 [N, K, blocks], 1 at the pilots if shares sum to 1.
        """
        block = torch.arange(self.grid.blocks, device=share.device)
        turns = torch.outer(torch.arange(self.spacing, device=share.device), block) % self.spacing / self.spacing
        return share.to(torch.complex64) @ phasor(-2 * math.pi * turns)

    def _delay_wave(self, delay: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        cycles = delay[..., None] * (block / self.grid.blocks)
        return phasor(-2 * math.pi * torch.remainder(cycles, 1.0)) * self.pilots**-0.5

    def _beam_wave(self, cycles: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        return phasor(2 * math.pi * cycles[..., None] * along) * len(along) ** -0.5


def _centred(size: int, device: torch.device) -> torch.Tensor:
    return torch.arange(size, device=device) - (size - 1) / 2


def _spread(along: torch.Tensor) -> float:
    """Root mean square distance from the middle; 1 where there is one element only, whose waves never change."""
    return float(along.square().mean().sqrt()) or 1.0


def _neighbours(sizes: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Of all places of a grid that goes round: the place itself, those before it along each axis, and those behind it.

    Where an axis has fewer than three, it has no neighbours there but itself.

    Returns:
        int64 [places, 1 + 2 axes].
    """
    every = torch.arange(math.prod(sizes), device=device).view(sizes)
    sides = [[every.roll(way, axis) if size > 2 else every for axis, size in enumerate(sizes)] for way in (1, -1)]
    return torch.stack([every, *sides[0], *sides[1]], -1).flatten(0, -2)
