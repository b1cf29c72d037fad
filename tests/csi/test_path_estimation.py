"""Estimates by paths: exact where there are paths, no worse than least squares where there are none."""

import pytest
import torch

from twin_envs.base.streams import Streams
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.path_estimation import PathEstimator
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay

GRID = AngleDelayGrid()
EVEN = torch.full((GRID.blocks, GRID.antennas), 1 / (GRID.blocks * GRID.antennas))


def few_paths(count, paths=3, seed=0):
    """Channels of a few paths of any delay up to ten taps and any direction."""
    generator = torch.Generator().manual_seed(seed)
    tap, row, column = (torch.rand(count, paths, 1, generator=generator) for _ in range(3))
    gain = torch.randn(count, paths, generator=generator, dtype=torch.complex64)
    antenna = torch.arange(GRID.antennas)
    delay = torch.polar(torch.ones(()), -2 * torch.pi * torch.arange(GRID.blocks) * 10 * tap / GRID.blocks)
    beam = torch.polar(torch.ones(()), 2 * torch.pi * (antenna // GRID.columns * row + antenna % GRID.columns * column))
    return torch.einsum("np,npb,npa->nba", gain, delay, beam)


def error(h, noise, spacing):
    """Mean normalised error with pilots on every `spacing`-th block."""
    rows, spacings = torch.arange(len(h)), torch.full((len(h),), spacing)
    streams = Streams(len(h), h.device)
    streams.seed(rows, rows)
    variance = torch.full((len(h),), noise)
    y = sound(h, variance, spacings, streams, rows)
    estimate = from_angle_delay(PathEstimator(GRID, EVEN)(y, spacings, variance), GRID)
    return float((estimate - h).abs().square().sum() / h.abs().square().sum())


@pytest.mark.parametrize("spacing", [1, 2])
def test_a_few_paths_are_estimated_far_below_the_noise(spacing):
    """Three paths have nine numbers, and there are hundreds of pilots."""
    h = few_paths(30)
    h = h / h.abs().square().mean((1, 2), keepdim=True).sqrt()
    errors = [error(h, noise, spacing) for noise in (1.0, 0.1, 0.01)]
    assert all(found < most for found, most in zip(errors, (1 / 10, 0.1 / 8, 0.01 / 3), strict=True))
    assert errors == sorted(errors, reverse=True)


def test_where_nothing_is_a_path_it_is_no_worse_than_the_pilots():
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(20, GRID.blocks, GRID.antennas, generator=generator, dtype=torch.complex64)
    assert error(h, 0.1, 1) < 0.11


def test_noise_alone_has_no_paths():
    h = torch.zeros(20, GRID.blocks, GRID.antennas, dtype=torch.complex64)
    rows, spacings, variance = torch.arange(20), torch.ones(20, dtype=torch.int64), torch.ones(20)
    streams = Streams(20, h.device)
    streams.seed(rows, rows)
    y = sound(h, variance, spacings, streams, rows)
    estimate = PathEstimator(GRID, EVEN)(y, spacings, variance)
    assert float(estimate.abs().square().mean()) < 0.02


def test_a_batch_may_mix_spacings():
    h, spacings, variance = few_paths(4), torch.tensor([1, 2, 4, 1]), torch.full((4,), 0.01)
    rows, streams = torch.arange(4), Streams(4, h.device)
    streams.seed(rows, rows)
    y = sound(h, variance, spacings, streams, rows)
    estimator = PathEstimator(GRID, EVEN)
    together = estimator(y, spacings, variance)
    for row in range(4):
        one = slice(row, row + 1)
        torch.testing.assert_close(together[one], estimator(y[one], spacings[one], variance[one]), rtol=1e-3, atol=1e-4)
