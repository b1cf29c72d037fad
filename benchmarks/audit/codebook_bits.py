"""Do reports of NR's codebooks take the bits that the specification counts? They are counted clause by clause."""

from __future__ import annotations

import math
from typing import Any

import torch

from twin_envs.csi.codecs.etype2.codebook import EType2
from twin_envs.csi.codecs.protocol import LEVEL_BITS, Codec
from twin_envs.csi.codecs.type1.codebook import Type1
from twin_envs.csi.transforms import AngleDelayGrid

SIZES = ((2, 16, 48), (4, 8, 48), (2, 8, 72), (4, 4, 100), (2, 4, 48))
"""Rows and columns of arrays, and resource blocks: two groups of ports are the upper and the lower half of the rows."""
_OVERSAMPLING = 4
_TYPE2 = ((2, 4, 4), (2, 4, 2), (4, 4, 4), (4, 4, 2), (4, 4, 4 / 3), (4, 2, 2), (6, 4, 2), (6, 4, 4 / 3))
"""L, and the inverses of p_1 and beta, of `paramCombination-r16` 1 to 8 (table 5.2.2.2.5-1)."""


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of codebooks.

    Returns:
        By rows, columns and blocks: the `ports` and `subbands`, and for `type1` and `etype2` the `bits` that the
        clauses count, ascending, and the `largest_difference` to what the codec says; None where it has fewer or more
        formats.
    """
    return {f"{rows} x {columns}, {blocks}": of_size(rows, columns, blocks) for rows, columns, blocks in SIZES}


def of_size(rows: int, columns: int, blocks: int) -> dict[str, Any]:
    """Counted for an array and a bandwidth part."""
    n1, n2 = sorted((rows // 2, columns), reverse=True)
    size = 4 if blocks <= 72 else 8 if blocks <= 144 else 16  # TS 38.214, table 5.2.1.4-2, the smaller size
    subbands = math.ceil(blocks / size)
    result: dict[str, Any] = {"ports": rows * columns, "subbands": subbands}
    grid, device = AngleDelayGrid(rows=rows, columns=columns, blocks=blocks, taps=16), torch.device("cpu")
    made: dict[str, tuple[Codec, list[int]]] = {
        "type1": (Type1(grid, device), type1(n1, n2, subbands)),
        "etype2": (EType2(grid, device), etype2(n1, n2, subbands)),
    }
    for name, (codec, counted) in made.items():
        said = _said(codec)
        same = len(said) == len(counted)
        off = max(abs(a - b) for a, b in zip(said, counted, strict=True)) if same else None
        result[name] = {"bits": counted, "largest_difference": off}
    return result


def _said(codec: Codec) -> list[int]:
    lengths = torch.tensor(codec.codeword_lengths)
    return sorted(int(bits) - LEVEL_BITS for bits in codec.bits(lengths))


def type1(n1: int, n2: int, subbands: int) -> list[int]:
    """Bits of a Type I report of one layer (TS 38.212, table 6.3.1.1.2-1): wideband, subbands, subbands in mode 2."""
    first, second = _log2(n1 * _OVERSAMPLING), _log2(n2 * _OVERSAMPLING) if n2 > 1 else 0
    half = _log2(n1 * _OVERSAMPLING / 2) + (_log2(n2 * _OVERSAMPLING / 2) if n2 > 1 else 0)
    return sorted([first + second + 2, first + second + 2 * subbands, half + 4 * subbands])


def etype2(n1: int, n2: int, subbands: int) -> list[int]:
    """Bits of enhanced Type II reports of one layer with as many coefficients as may be (TS 38.212, tables 6.3.2.1.2-1A
    and -2A), for each parameter combination that 32 ports, or fewer, may have (TS 38.214, 5.2.2.2.5)."""
    ports, counted = 2 * n1 * n2, []
    for number, (beams, fewer, rarer) in enumerate(_TYPE2, 1):
        if (ports == 4 and number > 2) or (ports < 32 and number > 6):
            continue
        m = math.ceil(subbands / fewer)
        bitmap = 2 * beams * m
        k0 = math.ceil(bitmap / rarer - 1e-9)
        counted.append(
            _log2(k0)  # number of coefficients, in part 1
            + _log2(_OVERSAMPLING * (_OVERSAMPLING if n2 > 1 else 1))  # i1,1
            + _log2(math.comb(n1 * n2, beams))  # i1,2
            + _log2(math.comb(subbands - 1, m - 1))  # i1,6, up to 19 subbands
            + bitmap  # i1,7
            + _log2(k0)  # i1,8
            + 4  # i2,3
            + 7 * (k0 - 1)  # i2,4 and i2,5
        )
    return sorted(counted)


def _log2(choices: float) -> int:
    return math.ceil(math.log2(choices))
