"""Matching pursuit: paths that are there are found, nearly as well as by looking everywhere."""

import math

import numpy as np
import pytest
import torch

from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.pursuit import Pursuit
from twin_envs.csi.similarity import squared_cosine
from twin_envs.csi.transforms import AngleDelayGrid, crop, to_angle_delay
from twin_envs.world.store.site import load_site

CPU, GRID = torch.device("cpu"), AngleDelayGrid()
ARRAYS = [
    GRID,
    AngleDelayGrid(rows=1, columns=8),
    AngleDelayGrid(rows=8, columns=1),
    AngleDelayGrid(rows=4, columns=4, blocks=12, taps=12, precursor_taps=2),
    AngleDelayGrid(rows=1, columns=1, taps=1, precursor_taps=0),
]


def path(grid, tap, row_cycles, column_cycles, gain=1.0):
    """A channel of one path, straight from its delay and its angles."""
    block = torch.arange(grid.blocks, dtype=torch.float64)[:, None]
    row = torch.arange(grid.rows, dtype=torch.float64).repeat_interleave(grid.columns)
    column = torch.arange(grid.columns, dtype=torch.float64).repeat(grid.rows)
    phase = -block * tap / grid.blocks + row * row_cycles + column * column_cycles
    return (gain * torch.polar(torch.ones_like(phase), 2 * math.pi * phase)).to(torch.complex64)


def seen(h, grid=GRID):
    return crop(to_angle_delay(h, grid), grid)


def made(grid=GRID):
    dictionary = Dictionary(grid, CPU)
    return dictionary, Pursuit(dictionary, grid, CPU)


@pytest.fixture(scope="module")
def channels():
    """Of the twin, from streets that no codec was trained on."""
    site = load_site("munich")
    return ChannelSampler(site, site.twin("twin"), held_out=True)(64, torch.Generator().manual_seed(4))


def test_a_path_on_the_grid_is_found_with_its_gain():
    dictionary, pursuit = made()
    x = seen(path(GRID, 3.5, 0.25, 0.828125, gain=2j)[None])
    index = pursuit.find(x, 1)
    assert index.tolist() == [[19 * dictionary.beams + 1 * 64 + 53]]  # 2 (3.5 + 6); 4 x 0.25; 64 x 0.828125
    size = (GRID.blocks * GRID.antennas) ** 0.5
    assert complex(dictionary.fit(x, index)[0, 0]) == pytest.approx(2j * size, rel=1e-3)


def test_paths_apart_are_all_found_and_their_gains_are_fitted_together():
    dictionary, pursuit = made()
    told = [(0.0, 0.0, 0.0, 1.0), (2.5, 0.5, 0.25, -0.6), (9.0, 0.25, 0.5, 0.4j), (15.0, 0.75, 0.125, 0.3)]
    h = sum(path(GRID, *one) for one in told)[None]
    index = pursuit.find(seen(h), len(told))
    left = (h - dictionary.channels(index, dictionary.fit(seen(h), index))).abs().square().sum()
    assert float(left / h.abs().square().sum()) < 1e-6


def test_the_first_paths_are_those_of_a_shorter_search(channels):
    _, pursuit = made()
    every = pursuit.find(seen(channels), 8)
    assert torch.equal(pursuit.find(seen(channels), 3), every[:, :3])


def wave(size, cycles):
    return np.exp(2j * np.pi * np.outer(np.arange(size), cycles)) / size**0.5


def everywhere(h, paths):
    """What orthogonal matching pursuit makes of channels that looks at all of 64 delays and 4 x 64 beams."""
    delay = wave(GRID.blocks, -(np.arange(64) / 2 - 6) / GRID.blocks)
    beam = np.kron(wave(GRID.rows, np.arange(4) / 4), wave(GRID.columns, np.arange(64) / 64))
    fitted = []
    for one in h.numpy():
        left, basis = one, np.zeros((one.size, 0))
        for _ in range(paths):
            at = np.abs(delay.conj().T @ left @ beam.conj()).argmax()
            atom = np.outer(delay[:, at // 256], beam[:, at % 256])
            basis = np.column_stack([basis, atom.ravel()])
            left = one - (basis @ np.linalg.lstsq(basis, one.ravel(), rcond=None)[0]).reshape(one.shape)
        fitted.append(one - left)
    return torch.from_numpy(np.stack(fitted))


def test_what_is_found_is_hardly_worse_than_by_looking_everywhere(channels):
    dictionary, pursuit = made()
    h = channels[:24]
    index = pursuit.find(seen(h), 4)
    found = dictionary.channels(index, dictionary.fit(seen(h), index))
    best = squared_cosine(h, everywhere(h, 4)).mean()
    assert float(best - squared_cosine(h, found).mean()) < 0.006


@pytest.mark.parametrize("grid", ARRAYS)
def test_any_array_has_its_paths_found(grid):
    dictionary, pursuit = made(grid)
    known = dictionary.delays * dictionary.beams
    index = torch.randint(known, (64, 1), generator=torch.Generator().manual_seed(1))
    h = dictionary.channels(index, torch.ones(64, 1, dtype=torch.complex64))
    found = pursuit.find(seen(h, grid), 3)
    assert bool((found < known).all())
    again = dictionary.channels(found, dictionary.fit(seen(h, grid), found))
    assert float(squared_cosine(again, h).min()) > 0.99


def test_energy_is_that_of_the_channels_and_blocks_are_those_asked_for():
    dictionary, _ = made()
    generator = torch.Generator().manual_seed(2)
    index = torch.randint(dictionary.delays * dictionary.beams, (32, 5), generator=generator)
    gain = torch.randn(32, 5, dtype=torch.complex64, generator=generator)
    h = dictionary.channels(index, gain)
    torch.testing.assert_close(dictionary.energy(index, gain), h.abs().square().sum((1, 2)), rtol=1e-4, atol=1e-5)
    block = torch.tensor([7, 0, 46])
    torch.testing.assert_close(dictionary.channels(index, gain, block), h[:, block])
