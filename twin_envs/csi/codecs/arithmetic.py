"""Arithmetic coding of a batch of reports: symbols of any probabilities as bit strings, in whole numbers throughout.

A report is a number from 0 to 1. Each symbol narrows the interval that the number may lie in, by the symbol's share of
the frequencies that both ends know; the report is the shortest binary fraction all of whose continuations lie in the
last interval (Rissanen and Langdon, "Arithmetic coding", IBM J. Res. Dev. 23(2), 1979). So whatever follows a report in
a string of bits is not looked at, and a report takes at most 2 bits more than its symbols' information.

All rows of a batch go on together. The interval's size is kept in `_PRECISION` bits, its lower end in full: digits are
summed where they stand, and carried at the end.
"""

from __future__ import annotations

from typing import Protocol

import torch

_PRECISION = 48
"""Bits of the interval's size; frequencies of a symbol may sum to 2^40, at which 0.4 % of a bit is lost."""
_LIMB = 15
"""Digits that are carried at once."""


class Coder(Protocol):
    """One end of an arithmetic code. A report's syntax is written down once, for either end."""

    def code(self, frequency: torch.Tensor, symbol: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Code one symbol of each report.

        Args:
            frequency: of each value that the symbol may have, int64 [N, S], at least 0 and at most 2^40 in all.
            symbol: the symbols, int64 [N], each of a frequency above 0; a decoder does not look at them.
            there: which reports have the symbol, bool [N].

        Returns:
            The symbols, int64 [N], 0 where there is none.
        """


class Encoder:
    """Writes N reports.

    Args:
        reports: their number N.
        columns: bits that are kept of a report.
        device: where it computes.
    """

    def __init__(self, reports: int, columns: int, device: torch.device) -> None:
        self._columns = columns
        self._range = torch.full((reports,), 1 << (_PRECISION - 1), device=device)
        self._place = torch.zeros_like(self._range)
        size = -(-(1 + columns + 2 * _PRECISION) // _LIMB) * _LIMB
        self._digits = torch.zeros(reports, size, dtype=torch.int64, device=device)  # the first is that of 1

    def code(self, frequency: torch.Tensor, symbol: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Write one symbol of each report (see `Coder.code`)."""
        symbol = torch.where(there, symbol, 0)
        below, own, total = _share(frequency, symbol, there)
        step = self._range // total
        self._add(step * below)
        self._range, shift = _normalised(step * own)
        self._place = self._place + shift
        return symbol

    def finish(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The reports, uint8 [N, columns], zero behind their ends, and their lengths [bits], int64 [N].

        Of reports longer than `columns` the length is right and the bits are of no use.
        """
        low = self._carried().gather(1, self._window())
        low = (low << torch.arange(_PRECISION - 1, -1, -1, device=low.device)).sum(1)
        # A piece of half or of a quarter of the power of 2 above the size; two of the latter fit, so one lies inside.
        half, quarter = (1 << (_PRECISION - 1 - more) for more in (0, 1))
        up = -low % half
        fits = up + half <= self._range
        self._add(torch.where(fits, up, -low % quarter))
        length = self._place + torch.where(fits, 0, 1)
        bits = self._carried()[:, 1 : self._columns + 1]
        return (bits * (torch.arange(self._columns, device=bits.device) < length[:, None])).to(torch.uint8), length

    def _window(self) -> torch.Tensor:
        """Columns of the digits of the interval's size [N, _PRECISION]."""
        place = self._place.clamp_max(self._digits.shape[1] - _PRECISION)  # beyond nothing is kept
        return place[:, None] + torch.arange(_PRECISION, device=place.device)

    def _add(self, value: torch.Tensor) -> None:
        shifts = torch.arange(_PRECISION - 1, -1, -1, device=value.device)
        self._digits.scatter_add_(1, self._window(), value[:, None] >> shifts & 1)

    def _carried(self) -> torch.Tensor:
        weights = 1 << torch.arange(_LIMB - 1, -1, -1, device=self._digits.device)
        limbs = (self._digits.unflatten(1, (-1, _LIMB)) * weights).sum(-1)
        for limb in range(limbs.shape[1] - 1, 0, -1):
            limbs[:, limb - 1] += limbs[:, limb] >> _LIMB
        return (limbs[..., None] // weights & 1).flatten(1)


class Decoder:
    """Reads what an `Encoder` wrote.

    Args:
        bits: uint8 [N, columns], anything behind each report's end.
    """

    def __init__(self, bits: torch.Tensor) -> None:
        self._bits = torch.nn.functional.pad(bits.long(), (0, 2 * _PRECISION))
        self._range = torch.full((len(bits),), 1 << (_PRECISION - 1), device=bits.device)
        self._place = torch.full_like(self._range, _PRECISION - 1)
        weights = 1 << torch.arange(_PRECISION - 2, -1, -1, device=bits.device)
        self._value = (self._bits[:, : _PRECISION - 1] * weights).sum(1)

    def code(self, frequency: torch.Tensor, symbol: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Read one symbol of each report (see `Coder.code`)."""
        cumulative = frequency.cumsum(1)
        step = self._range // torch.where(there, cumulative[:, -1], 1)
        aim = torch.minimum(self._value // step, cumulative[:, -1] - 1)  # no encoder aims higher
        symbol = torch.where(there, torch.searchsorted(cumulative, aim[:, None], right=True)[:, 0], 0)
        below, own, _ = _share(frequency, symbol, there)
        size = step * own
        value = torch.minimum(self._value - step * below, size - 1)
        self._range, shift = _normalised(size)
        place = self._place.clamp_max(self._bits.shape[1] - _PRECISION)
        ahead = self._bits.gather(1, place[:, None] + torch.arange(_PRECISION, device=shift.device))
        ahead = (ahead << torch.arange(_PRECISION - 1, -1, -1, device=shift.device)).sum(1)
        self._value = value << shift | ahead >> (_PRECISION - shift)
        self._place = self._place + shift
        return symbol


def _share(
    frequency: torch.Tensor, symbol: torch.Tensor, there: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What lies below a symbol, its own frequency and the sum of all, int64 [N]; 0 of 1 where there is no symbol."""
    cumulative = torch.nn.functional.pad(frequency.cumsum(1), (1, 0))
    below, up_to = (cumulative.gather(1, (symbol + more)[:, None])[:, 0] for more in (0, 1))
    own, total = up_to - below, cumulative[:, -1]
    return torch.where(there, below, 0), torch.where(there, own, 1), torch.where(there, total, 1)


def _normalised(size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sizes of intervals shifted up to `_PRECISION` bits, and by how many digits, int64 [N] each."""
    shift = _PRECISION - torch.frexp(size.double()).exponent.long()
    return size << shift, shift
