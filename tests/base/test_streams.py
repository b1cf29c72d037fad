"""Batched random numbers: each stream is its own, and its numbers have the distribution that they should.

The bounds are those of a statistic's own spread: with n numbers the tests allow five standard errors. The seeds are
fixed, so the outcome is too.
"""

import math

import numpy as np
import pytest
import torch

from twin_envs.base.streams import Streams

ROWS = torch.arange
DRAWS = {
    "uniform": lambda streams, rows: streams.uniform(rows, 5),
    "normal": lambda streams, rows: streams.normal(rows, 5),
    "complex_normal": lambda streams, rows: streams.complex_normal(rows, 5),
    "integers": lambda streams, rows: streams.integers(rows, 1000, 5),
}


def seeded(keys: torch.Tensor | list[int]) -> Streams:
    keys = torch.as_tensor(keys)
    streams = Streams(len(keys))
    streams.seed(ROWS(len(keys)), keys)
    return streams


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(np.corrcoef(a.double().flatten().numpy(), b.double().flatten().numpy())[0, 1])


def splitmix64(x: int) -> int:
    """The finaliser of SplitMix64 in plain integers."""
    mask = (1 << 64) - 1
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


# Streams


@pytest.mark.parametrize("key", [0, 1, -1, 2**62 + 12345, -(2**63)])
def test_the_bits_are_those_of_the_hash_in_plain_integers(key):
    streams, golden, mask = seeded([key]), 0x9E3779B97F4A7C15, (1 << 64) - 1
    for counter in range(3):
        base = splitmix64(splitmix64((key + golden) & mask) ^ (counter * golden & mask))
        expected = [(splitmix64((base + element * golden) & mask) >> 40) * 2.0**-24 for element in range(1, 5)]
        assert streams.uniform(ROWS(1), 4)[0].tolist() == expected


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_gives_the_same_numbers_again_and_another_seed_others(draw):
    streams = seeded([7, 8])
    first = [draw(streams, ROWS(2)) for _ in range(3)]
    streams.seed(ROWS(2), torch.tensor([7, 9]))
    again = [draw(streams, ROWS(2)) for _ in range(3)]
    for old, new in zip(first, again, strict=True):
        assert torch.equal(old[0], new[0])
        assert not torch.equal(old[1], new[1])
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_stream_does_not_depend_on_the_others_in_the_batch(draw):
    keys = [3, 1, 4, 1_000_003, 5]
    batch = seeded(keys)
    together = [draw(batch, ROWS(5)) for _ in range(2)]
    for row, key in enumerate(keys):
        alone = seeded([key])
        for numbers in together:
            assert torch.equal(draw(alone, ROWS(1))[0], numbers[row])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_only_the_rows_that_draw_move_on(draw):
    batch, rows = seeded([10, 11, 12, 13]), torch.tensor([3, 1])
    subset = draw(batch, rows)
    assert torch.equal(subset, draw(seeded([13, 11]), ROWS(2)))
    after = draw(batch, ROWS(4))
    fresh = seeded([10, 11, 12, 13])
    first, second = draw(fresh, ROWS(4)), draw(fresh, ROWS(4))
    assert torch.equal(after[[0, 2]], first[[0, 2]])
    assert torch.equal(after[[1, 3]], second[[1, 3]])


def test_seeding_some_rows_leaves_the_others_where_they_are():
    streams, twin = seeded([1, 2, 3]), seeded([1, 2, 3])
    streams.uniform(ROWS(3))
    twin.uniform(ROWS(3))
    streams.seed(torch.tensor([1]), torch.tensor([99]))
    numbers, expected = streams.uniform(ROWS(3), 4), twin.uniform(ROWS(3), 4)
    assert torch.equal(numbers[[0, 2]], expected[[0, 2]])
    assert torch.equal(numbers[1], seeded([99]).uniform(ROWS(1), 4)[0])


def test_nothing_global_is_touched_or_used():
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = seeded([5]).normal(ROWS(1), 100)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert torch.equal(seeded([5]).normal(ROWS(1), 100), first)


def test_draws_have_the_asked_shape_and_their_type():
    streams, rows = seeded([1, 2, 3]), torch.tensor([2, 0])
    assert streams.uniform(rows).shape == (2,)
    for draw, dtype in ((streams.uniform, torch.float32), (streams.normal, torch.float32)):
        numbers = draw(rows, 4, 5)
        assert (numbers.shape, numbers.dtype) == ((2, 4, 5), dtype)
    assert streams.complex_normal(rows, 4).dtype == torch.complex64
    assert streams.integers(rows, 7, 4).dtype == torch.int64
    assert streams.uniform(rows[:0], 4).shape == (0, 4)


def test_a_larger_shape_begins_with_the_same_numbers():
    for count in (1, 3, 31):
        assert torch.equal(seeded([4, 5]).uniform(ROWS(2), count), seeded([4, 5]).uniform(ROWS(2), 32)[:, :count])


# Distributions


def test_uniform_numbers_fill_their_range_evenly():
    numbers = seeded(ROWS(1000)).uniform(ROWS(1000), 1000).double().flatten()
    n, bins = numbers.numel(), 100
    assert 0.0 <= numbers.min() < 1e-5
    assert 1.0 - 1e-5 < numbers.max() < 1.0
    assert abs(numbers.mean() - 0.5) < 5 * math.sqrt(1 / 12 / n)
    assert abs(numbers.var() - 1 / 12) < 5 * math.sqrt(1 / 180 / n)
    counts = torch.histc(numbers, bins, 0.0, 1.0)
    chi_squared = float(((counts - n / bins) ** 2 / (n / bins)).sum())
    assert abs(chi_squared - (bins - 1)) < 5 * math.sqrt(2 * (bins - 1))


def test_normal_numbers_have_the_moments_of_a_standard_normal():
    numbers = seeded(ROWS(1000)).normal(ROWS(1000), 1000).double().flatten()
    n = numbers.numel()
    assert torch.isfinite(numbers).all()
    for power, (moment, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs((numbers**power).mean() - moment) < 5 * math.sqrt(variance / n), power
    for bound in (-2.0, -0.5, 0.0, 1.0, 3.0):
        share = 0.5 * (1 + math.erf(bound / math.sqrt(2)))
        assert abs((numbers < bound).double().mean() - share) < 5 * math.sqrt(share * (1 - share) / n), bound


def test_complex_numbers_are_circular_with_unit_variance():
    numbers = seeded(ROWS(1000)).complex_normal(ROWS(1000), 1000).to(torch.complex128).flatten()
    n = numbers.numel()
    assert abs(numbers.mean()) < 5 / math.sqrt(n)
    assert abs(numbers.abs().square().mean() - 1) < 5 / math.sqrt(n)
    assert abs(numbers.square().mean()) < 5 * math.sqrt(2 / n)
    assert abs(numbers.abs().pow(4).mean() - 2) < 5 * math.sqrt(20 / n)
    assert abs(correlation(numbers.real, numbers.imag)) < 5 / math.sqrt(n)


def test_integers_take_every_value_below_the_bound_equally_often():
    n, high = 200_000, 7
    numbers = seeded(ROWS(n)).integers(ROWS(n), high)
    counts = torch.bincount(numbers, minlength=high)
    assert len(counts) == high
    chi_squared = float(((counts - n / high) ** 2 / (n / high)).sum())
    assert chi_squared < high - 1 + 5 * math.sqrt(2 * (high - 1))


def test_each_integer_keeps_to_its_own_bound():
    high = torch.tensor([[1], [2], [5], [1000], [2**24]])
    numbers = seeded(ROWS(5)).integers(ROWS(5), high, 4000)
    assert (numbers >= 0).all()
    assert (numbers < high).all()
    assert [len(row.unique()) for row in numbers[:3]] == [1, 2, 5]
    assert numbers[4].max() > 0.99 * 2**24


@pytest.mark.parametrize("stride", [1, 2, 256, 2**32, 0x1E3779B97F4A7C15])
def test_neighbouring_keys_are_uncorrelated(stride):
    numbers = seeded(torch.arange(2000) * stride).normal(ROWS(2000), 50)
    assert abs(correlation(numbers[1:], numbers[:-1])) < 5 / math.sqrt(numbers[1:].numel())
    shifted = correlation(numbers[1:, :-1], numbers[:-1, 1:])
    assert abs(shifted) < 5 / math.sqrt(numbers[1:, :-1].numel())
    assert len(numbers[:, 0].unique()) > 1990


def test_draws_after_each_other_are_uncorrelated():
    streams = seeded(ROWS(2000))
    draws = torch.stack([streams.normal(ROWS(2000), 10) for _ in range(6)])
    limit = 5 / math.sqrt(draws[0].numel())
    for lag in (1, 2, 5):
        assert abs(correlation(draws[lag], draws[0])) < limit
    assert abs(correlation(draws[1][:, :-1], draws[0][:, 1:])) < 5 / math.sqrt(draws[0][:, 1:].numel())
    assert abs(correlation(draws[..., 1:], draws[..., :-1])) < 5 / math.sqrt(draws[..., 1:].numel())


def test_a_key_and_a_counter_cannot_be_traded_for_each_other():
    """Draw c of key k is not draw c - 1 of key k + 1: the streams do not run into each other."""
    streams, seen = seeded(ROWS(64)), []
    for _ in range(64):
        seen.append(streams.uniform(ROWS(64), 2))
    words = (torch.stack(seen).double() * 2**24).long()
    joined = (words[..., 0] << 24) + words[..., 1]
    assert len(joined.flatten().unique()) == 64 * 64


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["uniform", "integers"])
def test_a_gpu_gives_the_same_numbers(kind):
    on_gpu = Streams(3, "cuda")
    on_gpu.seed(ROWS(3, device="cuda"), torch.tensor([1, 2, 3], device="cuda"))
    assert torch.equal(DRAWS[kind](on_gpu, ROWS(3, device="cuda")).cpu(), DRAWS[kind](seeded([1, 2, 3]), ROWS(3)))
