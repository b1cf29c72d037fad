"""Ports, beams, subbands and combination indices, against formulas of TS 38.214 in NumPy."""

import itertools

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.panel import bits_for, combination, combination_index, panel_of
from twin_envs.csi.transforms import AngleDelayGrid

CPU = torch.device("cpu")


def panel(rows=2, columns=16, blocks=48, groups=2):
    return panel_of("some", AngleDelayGrid(rows=rows, columns=columns, blocks=blocks, taps=16), CPU, groups)


@pytest.mark.parametrize(
    ("rows", "columns", "n1", "n2", "o2"),
    [(2, 16, 16, 1, 1), (4, 8, 8, 2, 4), (8, 4, 4, 4, 4), (2, 2, 2, 1, 1), (16, 2, 8, 2, 4), (1, 24, 12, 1, 1)],
)
def test_the_halves_of_an_array_are_groups_that_nr_knows(rows, columns, n1, n2, o2):
    made = panel(rows, columns)
    assert (made.n1, made.n2, made.oversampling) == (n1, n2, (4, o2))
    assert made.groups * made.group == rows * columns
    assert sorted(made.antenna.tolist()) == list(range(rows * columns))
    row, column = made.antenna.view(2, n1, n2) // columns, made.antenna.view(2, n1, n2) % columns
    # The second group is the first one, moved; and in a group a step in either dimension is always the same.
    for place in (row, column):
        assert len((place[1] - place[0]).unique()) == 1
        assert len(place.diff(dim=1).unique()) <= 1
        assert len(place.diff(dim=2).unique()) <= 1


def test_beams_are_those_of_the_standard():
    made = panel(4, 8)
    beams = made.beams().numpy()
    assert beams.shape == (32, 8, 16)
    for first, m in ((0, 0), (5, 3), (31, 7)):
        u = np.exp(2j * np.pi * m * np.arange(2) / (4 * 2))
        v = np.concatenate([np.exp(2j * np.pi * first * n / (4 * 8)) * u for n in range(8)])
        np.testing.assert_allclose(beams[first, m], v, atol=1e-5)


def test_a_plane_wave_is_one_beam_in_both_groups():
    made = panel(4, 8)
    row, column = np.divmod(np.arange(32), 8)
    h = torch.tensor(np.exp(-2j * np.pi * (5 * column / 32 + 3 * row / 8)), dtype=torch.complex64).expand(1, 48, 32)
    received = made.precoders(h)[0] @ made.beams()[5, 3].conj()
    np.testing.assert_allclose(received.abs(), 16.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("blocks", "size", "count"), [(24, 4, 6), (48, 4, 12), (72, 4, 18), (76, 8, 10), (272, 16, 17)]
)
def test_subbands(blocks, size, count):
    made = panel(blocks=blocks)
    assert made.subbands == count
    assert made.subband.tolist() == [block // size for block in range(blocks)]
    h = torch.randn(3, blocks, 32, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([part.mean(1) for part in h.split(size, 1)], 1).conj()[..., made.antenna]
    torch.testing.assert_close(made.precoders(h).flatten(2), expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_channels_are_those_of_the_precoders_at_the_reported_strength(groups):
    made = panel(4, 4, blocks=76, groups=groups)
    h = torch.randn(3, 10, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))[:, made.subband]
    gain = torch.tensor([1e-9, 2e-9, 3e-12])
    back = made.channels(made.precoders(h), gain)
    torch.testing.assert_close(back.abs().square().mean((1, 2)), gain)
    torch.testing.assert_close(back / back[:, :1, :1], h / h[:, :1, :1])
    block = torch.tensor([75, 3])
    torch.testing.assert_close(made.channels(made.precoders(h), gain, block), back[:, block])


def test_combinations_are_counted_as_in_the_standard():
    for size, k in ((16, 2), (11, 5), (6, 6), (5, 0)):
        every = list(itertools.combinations(range(size), k))
        subsets = torch.tensor(every, dtype=torch.int64).view(len(every), k)
        index = combination_index(subsets, size)
        assert index.sort().values.tolist() == list(range(len(subsets)))
        assert torch.equal(combination(index, size, k), subsets)
    # By hand: C(15 - 3, 2) + C(15 - 7, 1) = 66 + 8.
    assert combination_index(torch.tensor([[3, 7]]), 16).tolist() == [74]


def test_bits_of_indices():
    assert [bits_for(count) for count in (1, 2, 3, 4, 5, 120, 128, 1820)] == [0, 1, 2, 2, 3, 7, 7, 11]


@pytest.mark.parametrize(
    ("rows", "columns", "groups"), [(4, 16, 2), (3, 5, 2), (2, 5, 2), (4, 16, 1), (1, 5, 1), (1, 2, 1)]
)
def test_other_arrays_are_refused_with_those_that_work(rows, columns, groups):
    with pytest.raises(ConfigurationError, match=rf"codec 'some' knows .* 2 x 16.* this site has {rows} x {columns}"):
        panel(rows, columns, groups=groups)


def test_too_few_blocks_for_subbands_are_refused():
    with pytest.raises(ConfigurationError, match=r"24 resource blocks or more, .* csi_blocks = 20"):
        panel_of("some", AngleDelayGrid(blocks=20, taps=16), CPU)
