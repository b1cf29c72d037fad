"""Rows in chunks."""

import pytest
import torch

from twin_envs.base.chunks import chunks


def listed(count, size):
    return [chunk.tolist() for chunk in chunks(count, size, torch.device("cpu"))]


@pytest.mark.parametrize("size", [1, 3, 4, 8, 256])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 300])
def test_every_row_is_there_in_its_order_and_no_other(count, size):
    rows = [row for chunk in listed(count, size) for row in chunk]
    assert sorted(set(rows)) == list(range(count))
    assert rows == sorted(rows)
    assert all(len(chunk) <= size for chunk in listed(count, size))


def test_chunks_have_few_sizes():
    sizes = {len(chunk) for count in range(64, 1000) for chunk in listed(count, 256)}
    assert {size for size in sizes if size > 64} == {128, 192, 256}


def test_the_last_row_fills_up():
    assert listed(5, 8) == [[0, 1, 2, 3, 4, 4]]
    assert listed(10, 8) == [list(range(8)), [8, 9]]
    assert listed(1, 8) == [[0]]
