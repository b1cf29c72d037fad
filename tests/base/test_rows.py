"""Long tables: the same in memory and in a file, of which only what is read is resident."""

import gc
import os
import sys
from copy import deepcopy

import numpy as np
import psutil
import pytest
import torch

from twin_envs.base import rows
from twin_envs.base.errors import SiteError


def filled(pieces):
    table = rows.Rows()
    for piece in pieces:
        table.append(piece)
    return table.tensor("cpu")


@pytest.mark.parametrize("limit", [0, 100, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.int64])
def test_what_was_appended_is_read_wherever_it_lies(monkeypatch, limit, dtype):
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", limit)
    generator = torch.Generator().manual_seed(0)
    pieces = [torch.randint(-99, 99, (n, 3), generator=generator).to(dtype) for n in (4, 0, 7, 1)]
    table = filled(pieces)
    assert table.dtype == dtype
    assert torch.equal(table, torch.cat(pieces))
    before = table.clone()
    table[2] = 5  # of the copy in memory alone
    assert torch.equal(deepcopy(table)[3:], before[3:])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident pages are counted in /proc")
def test_of_a_table_in_a_file_what_is_read_is_resident(monkeypatch):
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)
    process, megabyte = psutil.Process(), torch.ones(2**18, 1)
    table = filled([megabyte] * 64)
    gc.collect()
    before = process.memory_info().rss
    assert table[[0, -1]].sum() == 2  # the system reads some pages beside those that are asked for
    few = process.memory_info().rss - before
    assert table.sum() == 64 * 2**18
    assert few < 2**23
    assert process.memory_info().rss - before > 2**25


def test_the_file_goes_with_the_table(monkeypatch):
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)
    gc.collect()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    table = filled([torch.ones(1000, 2)])
    del table
    gc.collect()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


def test_a_folder_without_room_is_named_with_what_to_set(monkeypatch):
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)

    def refuse():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows.tempfile, "TemporaryFile", refuse)
    with pytest.raises(
        SiteError, match=r"table of 8 bytes .*: No space left on device; make room there, or set TMPDIR"
    ):
        filled([torch.ones(2)])


def test_nothing_is_a_table_too(monkeypatch):
    for limit in (0, 100):
        monkeypatch.setattr(rows, "IN_MEMORY_BYTES", limit)
        assert filled([torch.zeros(0, 3)]).shape == (0, 3)
        assert np.asarray(filled([torch.zeros(0, 3), torch.ones(1, 3)])).tolist() == [[1, 1, 1]]
