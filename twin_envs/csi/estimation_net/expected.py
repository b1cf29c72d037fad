"""Where paths are to be expected before pilots are heard: by the twin at the sensed place, and by the site's mean."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.estimation_net.comb import Comb
from twin_envs.csi.expected_profile import angle_std_cycles, delay_std_s
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.protocol import ExpectedPaths

ELSEWHERE, ANY_BEAM, ANYWHERE = 0.3, 0.2, 0.001
"""Share of paths that the twin does not expect; of these, those in any direction at the delays that the site has, and
those anywhere."""
_DELAY_STD_TAPS, _COLUMN_STD, _ROW_STD = 0.3, 0.3, 0.4
"""How far off a path is of which the place is known, in taps and in steps of the array's resolution."""
_TINY = 1e-30


class Places(NamedTuple):
    """P places of each of N UEs where the twin expects paths.

    Attributes:
        delay: [N, P], in taps.
        row, column: [N, P], growth of the phase from row to row and from column to column [cycles].
        weight: [N, P]; they sum to 1, or to 0 where nothing is expected.
        delay_std: [N], in taps.
        row_std, column_std: [N], in cycles.
    """

    delay: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    weight: torch.Tensor
    delay_std: torch.Tensor
    row_std: torch.Tensor
    column_std: torch.Tensor

    def of(self, rows: torch.Tensor) -> Places:
        """Those of some UEs."""
        return Places(*(values[rows] for values in self))


def told(paths: ExpectedPaths, position_std_m: torch.Tensor, grid: AngleDelayGrid) -> Places:
    """What the twin's paths at sensed positions, of the standard deviation `position_std_m` [N], say.

    Weights are in proportion to amplitudes: weak paths are more frequent than they are strong.
    """
    amplitude, angle_std = paths.power.sqrt(), angle_std_cycles(paths, position_std_m)
    return Places(
        delay=paths.delay_s * grid.bandwidth_hz,
        row=paths.row_cycles,
        column=paths.column_cycles,
        weight=amplitude / amplitude.sum(1, keepdim=True).clamp_min(_TINY),
        delay_std=torch.hypot(
            grid.bandwidth_hz * delay_std_s(position_std_m), torch.full_like(angle_std, _DELAY_STD_TAPS)
        ),
        row_std=torch.hypot(angle_std, torch.full_like(angle_std, _ROW_STD / grid.rows)),
        column_std=torch.hypot(angle_std, torch.full_like(angle_std, _COLUMN_STD / grid.columns)),
    )


def nothing(count: int, device: torch.device) -> Places:
    """Where nobody is asked."""
    none, one = torch.zeros(count, 1, device=device), torch.ones(count, device=device)
    return Places(none, none, none, none, one, one, one)


class Odds(Constant):
    """How much likelier a path is at a place than if all places were alike.

    Args:
        comb: of the pilots.
        mean_profile: where power lies on average at the site, [blocks (taps), antennas (beams)], of the sum 1.
    """

    def __init__(self, comb: Comb, mean_profile: torch.Tensor) -> None:
        self._comb, grid = comb, comb.grid
        mean = mean_profile.reshape(grid.blocks, grid.rows, grid.columns) * mean_profile.numel()
        any_beam = mean.mean((1, 2), keepdim=True)
        self._usual = (1 - ANY_BEAM - ANYWHERE) * mean + ANY_BEAM * any_beam + ANYWHERE
        folded = self._usual.unflatten(0, (comb.spacing, comb.pilots)).mean(0)
        delay, row, column = (
            (place * size).round().long() % count
            for place, size, count in zip(
                comb.place, (1, grid.rows, grid.columns), (comb.pilots, grid.rows, grid.columns), strict=True
            )
        )
        self._folded = folded[delay[:, None, None], row[:, None], column].flatten(1)

    def everywhere(self, places: Places) -> torch.Tensor:
        """Its natural logarithm at all places that are compared, float32 [N, delays, rows * columns]."""
        comb = self._comb
        delay = _near(comb.place[0], places.delay[..., None], places.delay_std, comb.pilots)
        row = _near(comb.place[1], places.row[..., None], places.row_std, 1)
        column = _near(comb.place[2], places.column[..., None], places.column_std, 1)
        beams = (row[..., :, None] * column[..., None, :]).flatten(-2)
        expected = (delay * places.weight[..., None]).mT @ beams
        known = (1 - ELSEWHERE) * places.weight.sum(1)[:, None, None]
        return (known * expected + (1 - known) * self._folded).log_()

    def at(
        self, places: Places, delay: torch.Tensor, row: torch.Tensor, column: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The odds at given places, by delay: the shortest that the pilots tell, and those that they do not tell apart.

        Args:
            places: what the twin expects.
            delay: [N, K], in taps, from 0 to blocks / spacing.
            row, column: [N, K], in cycles.

        Returns:
            What the twin makes of it, and what it is besides, [N, K, spacing] each: together how much likelier it is.
        """
        grid, comb = self._comb.grid, self._comb
        alias = torch.arange(comb.spacing, device=delay.device) * comb.pilots
        late = delay[..., None] + alias  # [N, K, s]
        near = _near(row[..., None], places.row[:, None], places.row_std, 1)
        near = near * _near(column[..., None], places.column[:, None], places.column_std, 1) * places.weight[:, None]
        in_time = _near(late[..., None], places.delay[:, None, None], places.delay_std, grid.blocks)
        expected = (in_time @ near[..., None])[..., 0]
        tap = late.round().long() % grid.blocks
        beam = ((row * grid.rows).round().long() % grid.rows, (column * grid.columns).round().long() % grid.columns)
        usual = self._usual[tap, beam[0][..., None], beam[1][..., None]]
        known = (1 - ELSEWHERE) * places.weight.sum(1)[:, None, None]
        return known * expected, (1 - known) * usual


def _near(place: torch.Tensor, expected: torch.Tensor, std: torch.Tensor, period: float) -> torch.Tensor:
    """Density of a normal distribution round what is expected, times the period; places go round."""
    std = std.view(-1, *(1,) * (max(place.dim(), expected.dim()) - 1))
    apart = torch.remainder(place - expected + 0.5 * period, period) - 0.5 * period
    return (-0.5 * (apart / std).square()).exp_() * (period / (math.sqrt(2 * math.pi) * std))
