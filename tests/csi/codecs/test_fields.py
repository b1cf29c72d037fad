"""Fields of many widths as bit strings, against Python's own."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.fields import by_length, pack, unpack


def test_fields_lie_one_behind_the_other_and_come_back():
    generator = torch.Generator().manual_seed(0)
    widths = torch.randint(0, 9, (50, 12), generator=generator)
    values = torch.randint(0, 2**9, (50, 12), generator=generator) % 2**widths
    bits = pack(values, widths, 110)
    assert bits.dtype == torch.uint8
    for row, value, width in zip(bits.tolist(), values.tolist(), widths.tolist()):
        text = "".join(format(v, f"0{w}b") for v, w in zip(value, width) if w)
        assert "".join(map(str, row)) == text.ljust(110, "0")
    assert torch.equal(unpack(bits, widths), values)
    behind = torch.nn.functional.pad(bits, (3, 0), value=1)
    assert torch.equal(unpack(behind, widths, start=3), values)


def test_digits_beyond_the_end_are_zero():
    bits = torch.tensor([[1, 1, 1]], dtype=torch.uint8)
    assert unpack(bits, torch.tensor([[2, 3]])).tolist() == [[3, 4]]


def test_rows_are_told_by_length():
    asked = torch.tensor([16, 8, 16])
    assert [(length, rows.tolist()) for length, rows in by_length(asked, (8, 16, 32))] == [(8, [1]), (16, [0, 2])]
    with pytest.raises(ConfigurationError, match="codeword_bits must be one of 8, 32, got 16"):
        list(by_length(asked, (8, 32)))
