"""Estimates by paths that lie anywhere: near what can be known, and what a twin adds to that."""

import pytest
import torch

from twin_envs.base.streams import Streams
from twin_envs.csi.estimation_net.estimator import NetEstimator
from twin_envs.csi.estimation_net.expected import Places, nothing
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.path_estimation import PathEstimator
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay

GRID = AngleDelayGrid()
EVEN = torch.full((GRID.blocks, GRID.antennas), 1 / (GRID.blocks * GRID.antennas))
EARLY = EVEN * (torch.arange(GRID.blocks) < 12)[:, None] * GRID.blocks / 12
"""What sites are like: most comes soon after the first path."""


def of_paths(tap, row, column, gain, grid=GRID):
    """Channels [N, blocks, antennas] of paths [N, P]."""
    block, antenna = torch.arange(grid.blocks), torch.arange(grid.antennas)
    delay = torch.polar(torch.ones(()), -2 * torch.pi * block * tap[..., None] / grid.blocks)
    cycles = antenna // grid.columns * row[..., None] + antenna % grid.columns * column[..., None]
    h = torch.einsum("np,npb,npa->nba", gain, delay, torch.polar(torch.ones(()), 2 * torch.pi * cycles))
    return h / h.abs().square().mean((1, 2), keepdim=True).sqrt()


def few_paths(count, paths=3, seed=0, grid=GRID, first=0.0):
    """Channels of a few paths within ten taps from `first` on and of any direction, and where these are."""
    generator = torch.Generator().manual_seed(seed)
    tap, row, column = (torch.rand(count, paths, generator=generator) for _ in range(3))
    gain = torch.randn(count, paths, generator=generator, dtype=torch.complex64)
    tap, row = first + 10 * tap, row * (grid.rows > 1)
    std = torch.full((count,), 0.02)
    places = Places(tap, row, column, torch.full_like(tap, 1 / paths), 20 * std, std, std)
    return of_paths(tap, row, column, gain, grid), places


def sounded(h, noise, spacing, seed=0):
    rows, spacings = torch.arange(len(h)), torch.full((len(h),), spacing)
    streams = Streams(len(h), h.device)
    streams.seed(rows, rows + seed)
    variance = torch.full((len(h),), noise)
    return sound(h, variance, spacings, streams, rows), spacings, variance


def estimated(h, noise, spacing, places=None, grid=GRID, mean=EARLY):
    pilots = sounded(h, noise, spacing)
    places = nothing(len(h), h.device) if places is None else places
    with torch.inference_mode():
        return from_angle_delay(NetEstimator(grid, mean)(*pilots, places, mean.expand(h.shape)), grid)


def error(h, *how, **what):
    return float((estimated(h, *how, **what) - h).abs().square().sum() / h.abs().square().sum())


@pytest.mark.parametrize("spacing", [1, 2])
@pytest.mark.parametrize("noise", [1.0, 0.1, 1e-3])
def test_a_few_paths_are_estimated_about_as_well_as_can_be(spacing, noise):
    """Each path has three numbers of its place and a gain: together at least 2.5 complex ones in so many pilots."""
    h, _ = few_paths(40)
    bound = noise * 3 * 2.5 / (GRID.blocks * GRID.antennas / spacing)
    found = error(h, noise, spacing)
    assert 0.5 * bound < found < 6 * bound
    pilots = sounded(h, noise, spacing)
    pursuit = from_angle_delay(PathEstimator(GRID, EVEN)(*pilots), GRID)
    assert found < 0.6 * float((pursuit - h).abs().square().sum() / h.abs().square().sum())


def test_a_twin_tells_delays_apart_that_the_pilots_do_not():
    """With a pilot in every eighth block paths 6 taps apart look alike."""
    h, places = few_paths(30, first=20.0)
    assert error(h, 0.01, 8) > 0.5
    assert error(h, 0.01, 8, places) < 0.1


def test_in_strong_noise_it_is_worth_something_to_know_the_place_and_hardly_costs_to_be_told_another():
    h, places = few_paths(60)
    alone, told = error(h, 20.0, 1), error(h, 20.0, 1, places)
    wrong = error(h, 20.0, 1, Places(*(values.roll(1, 0) for values in places)))
    assert told < 0.9 * alone
    assert wrong < 1.3 * alone


def test_noise_alone_has_no_paths():
    h = torch.zeros(20, GRID.blocks, GRID.antennas, dtype=torch.complex64)
    assert float(estimated(h, 1.0, 1).abs().square().mean()) < 0.02


def test_where_nothing_is_a_path_it_is_no_worse_than_the_pilots():
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(20, GRID.blocks, GRID.antennas, generator=generator, dtype=torch.complex64)
    assert error(h, 0.1, 1, mean=EVEN) < 0.11


def test_without_noise_a_pilot_in_every_block_tells_all():
    assert error(few_paths(5)[0], 0.0, 1) < 1e-8


def test_what_is_not_known_by_its_size_is_estimated_alike_at_any():
    """Channels have the gain of their path, some 1e-12."""
    (y, spacing, noise), (_, places) = sounded(few_paths(6)[0], 0.1, 2), few_paths(6)
    estimator, profile = NetEstimator(GRID, EARLY), EARLY.expand(y.shape)
    with torch.inference_mode():
        plain = estimator(y, spacing, noise, places, profile)
        small = estimator(1e-5 * y, spacing, 1e-10 * noise, places, profile)
    torch.testing.assert_close(1e5 * small, plain, rtol=1e-3, atol=1e-3)


def test_a_batch_may_mix_spacings():
    h, places = few_paths(4)
    spacing, noise = torch.tensor([1, 2, 4, 1]), torch.full((4,), 0.01)
    rows, streams = torch.arange(4), Streams(4, h.device)
    streams.seed(rows, rows)
    y = sound(h, noise, spacing, streams, rows)
    estimator, profile = NetEstimator(GRID, EARLY), EARLY.expand(h.shape)
    with torch.inference_mode():
        together = estimator(y, spacing, noise, places, profile)
        for row in range(4):
            one = rows[row : row + 1]
            alone = estimator(y[one], spacing[one], noise[one], places.of(one), profile[one])
            torch.testing.assert_close(together[one], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("rows", "columns", "blocks"), [(1, 8, 32), (4, 8, 64), (8, 1, 16)])
def test_one_network_serves_every_array_and_bandwidth(rows, columns, blocks):
    grid = AngleDelayGrid(blocks=blocks, rows=rows, columns=columns, taps=12, precursor_taps=2)
    mean = torch.full((blocks, grid.antennas), 1 / (blocks * grid.antennas))
    generator = torch.Generator().manual_seed(1)
    tap, row, column = (torch.rand(40, 2, generator=generator) for _ in range(3))
    gain = torch.randn(40, 2, generator=generator, dtype=torch.complex64)
    h = of_paths(6 * tap, row * (rows > 1), column * (columns > 1), gain, grid)
    assert error(h, 0.1, 1, grid=grid, mean=mean) < 4 * 0.1 * 2 * 2.5 / (blocks * grid.antennas)
