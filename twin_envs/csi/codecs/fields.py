"""Fields of a report, each of a width of its own that may differ from report to report, as one bit string."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from twin_envs.base.errors import check_choice


def check_lengths(codeword_bits: torch.Tensor, lengths: Iterable[int]) -> list[int]:
    """The codeword lengths in a batch, ascending. Raises `ConfigurationError` if one is not among `lengths`."""
    found: list[int] = codeword_bits.unique().tolist()
    for length in found:
        check_choice("codeword_bits", length, lengths)
    return found


def by_length(codeword_bits: torch.Tensor, lengths: Iterable[int]) -> Iterator[tuple[int, torch.Tensor]]:
    """The codeword lengths in a batch, each with the rows, int64 [rows], that have it.

    Raises:
        ConfigurationError: one of them is not among `lengths`.
    """
    for length in check_lengths(codeword_bits, lengths):
        yield length, (codeword_bits == length).nonzero()[:, 0]


def pack(values: torch.Tensor, widths: torch.Tensor, columns: int) -> torch.Tensor:
    """Write fields one behind the other, most significant bit first.

    Args:
        values: int64 [N, fields], each from 0 to 2^width - 1; one of width 0 is not written.
        widths: bits of each field, int64 [N, fields] or [fields].
        columns: length of the result, at least the sum of any report's widths.

    Returns:
        uint8 [N, columns], zero behind the last field.
    """
    place, shift = _places(widths.expand_as(values))
    digit = torch.where(shift >= 0, values[..., None] >> shift.clamp_min(0), 0) & 1
    bits = torch.zeros(len(values), columns + 1, dtype=torch.uint8, device=values.device)  # a column to throw away
    place = torch.where(shift >= 0, place, columns)
    return bits.scatter_(1, place.flatten(1), digit.to(torch.uint8).flatten(1))[:, :columns]


def unpack(bits: torch.Tensor, widths: torch.Tensor, start: int = 0) -> torch.Tensor:
    """Read what `pack` wrote.

    Args:
        bits: uint8 [N, columns].
        widths: bits of each field, int64 [N, fields].
        start: column of the first field.

    Returns:
        int64 [N, fields]; 0 for fields of width 0, and for digits beyond the last column.
    """
    place, shift = _places(widths)
    place, beyond = (place + start).flatten(1), bits.shape[1]
    bits = torch.nn.functional.pad(bits, (0, 1))
    digit = bits.gather(1, place.clamp_max(beyond)).unflatten(1, shift.shape[1:]).long()
    return torch.where(shift >= 0, digit << shift.clamp_min(0), 0).sum(-1)


def _places(widths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Column of each digit and how far it is from the field's last one, negative behind it, [N, fields, widest]."""
    digit = torch.arange(int(widths.max()) if widths.numel() else 0, device=widths.device)
    start = widths.cumsum(1) - widths
    return start[..., None] + digit, widths[..., None] - 1 - digit
