"""Fine paths: what they are, and that a pursuit finds them where they are."""

import pytest
import torch

from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path_net.dictionary import FINE, FineDictionary
from twin_envs.csi.codecs.path_net.formats import FORMATS, Format
from twin_envs.csi.codecs.path_net.pursuit import FinePursuit
from twin_envs.csi.transforms import AngleDelayGrid, crop, to_angle_delay

CPU = torch.device("cpu")
GRIDS = {
    "panel": AngleDelayGrid(),
    "square": AngleDelayGrid(rows=2, columns=2),
    "column": AngleDelayGrid(rows=8, columns=1),
    "row": AngleDelayGrid(rows=1, columns=8, taps=48),
}
FINEST = Format(paths=3, quarters_db=40, halves_db=40, fall_db=3, phase_bits=4)


@pytest.fixture(params=GRIDS)
def grid(request):
    return GRIDS[request.param]


def wave(grid, delay_taps, row_cycles, column_cycles):
    """A plane wave of norm 1, written out, complex64 [blocks, antennas]."""
    block = torch.arange(grid.blocks)[:, None, None]
    row, column = torch.arange(grid.rows)[:, None], torch.arange(grid.columns)
    cycles = row_cycles * row + column_cycles * column - delay_taps / grid.blocks * block
    return torch.polar(torch.full_like(cycles, cycles.numel() ** -0.5), 2 * torch.pi * cycles).flatten(1)


def fine(grid):
    coarse = Dictionary(grid, CPU)
    dictionary = FineDictionary(coarse, grid, CPU)
    return dictionary, FinePursuit(coarse, dictionary, grid, CPU)


def some_places(dictionary, count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(size, (count,), generator=generator) for size in dictionary.sizes], -1)


def test_a_path_is_the_plane_wave_of_its_place(grid):
    dictionary, _ = fine(grid)
    place = some_places(dictionary, 5, 1)
    h = dictionary.channels(place[:, None], torch.ones(5, 1, dtype=torch.complex64))
    for found, (delay, row, column) in zip(h, place.tolist(), strict=True):
        late = delay / (2 * FINE) - grid.precursor_taps
        expected = wave(grid, late, row / dictionary.sizes[1], column / dictionary.sizes[2])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    block = torch.tensor([3, 0])
    some = dictionary.channels(place[:, None], torch.ones(5, 1, dtype=torch.complex64), block)
    torch.testing.assert_close(some, h[:, block])


def test_fitted_gains_are_least_squares_and_energy_is_that_of_the_channel(grid):
    dictionary, _ = fine(grid)
    place = some_places(dictionary, 12, 2).view(4, 3, 3)
    gain = torch.randn(4, 3, dtype=torch.complex64, generator=torch.Generator().manual_seed(3))
    h = dictionary.channels(place, gain)
    torch.testing.assert_close(dictionary.energy(place, gain), h.abs().square().sum((1, 2)), rtol=1e-4, atol=1e-5)
    x = crop(to_angle_delay(h, grid), grid)
    left = x - crop(to_angle_delay(dictionary.channels(place, dictionary.fit(x, place)), grid), grid)
    assert (left.abs().square().sum((1, 2)) < 1e-3 * x.abs().square().sum((1, 2))).all()


def test_a_path_is_found_where_it_is(grid):
    """Next to one place at most: what is compared is cut off, so a top may come out between two of them."""
    dictionary, pursuit = fine(grid)
    place = some_places(dictionary, 200, 4)
    place[:, 0] = 2 * FINE * 4 + place[:, 0] % (2 * FINE * 16)  # well within the window
    h = dictionary.channels(place[:, None], torch.ones(200, 1, dtype=torch.complex64))
    found = pursuit.places(crop(to_angle_delay(h, grid), grid), FINEST)[:, 0]
    off = (found - place).abs()
    sizes = torch.tensor(dictionary.sizes)
    off = torch.minimum(off, sizes - off)
    assert off.max() <= 2
    assert (off <= 1).all(1).float().mean() > 0.9


@pytest.mark.parametrize("said", FORMATS, ids=lambda said: str(said.paths))
def test_weaker_paths_are_placed_more_coarsely(said):
    grid = GRIDS["panel"]
    dictionary, pursuit = fine(grid)
    h = torch.randn(6, grid.blocks, grid.antennas, dtype=torch.complex64, generator=torch.Generator().manual_seed(5))
    place = pursuit.places(crop(to_angle_delay(h, grid), grid), said)
    assert place.shape == (6, said.paths, 3)
    assert (place >= 0).all()
    assert (place < torch.tensor(dictionary.sizes)).all()
    coarsest = 2 ** said.steps(torch.zeros(1, dtype=torch.int64))[0]
    assert (place % coarsest == 0).all()


def test_places_between_those_compared_leave_less_of_channels():
    grid = GRIDS["panel"]
    dictionary, pursuit = fine(grid)
    generator = torch.Generator().manual_seed(6)
    place = some_places(dictionary, 60, 7).view(20, 3, 3)
    place[..., 0] = 64 + place[..., 0] % 64
    h = dictionary.channels(place, torch.randn(20, 3, dtype=torch.complex64, generator=generator))
    x = crop(to_angle_delay(h, grid), grid)
    left = []
    for quarters_db in (-1, 40):
        said = Format(paths=3, quarters_db=quarters_db, halves_db=quarters_db, fall_db=3, phase_bits=4)
        found = pursuit.places(x, said)
        rest = h - dictionary.channels(found, dictionary.fit(x, found))
        left.append(float((rest.abs().square().sum((1, 2)) / h.abs().square().sum((1, 2))).mean()))
    assert left[1] < 0.5 * left[0]
