"""How many bits a transport block of NR carries, and how it is cut into code blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

_SMALL_BITS = (
    *(24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192, 208, 224),
    *(240, 256, 272, 288, 304, 320, 336, 352, 368, 384, 408, 432, 456, 480, 504, 528, 552, 576, 608, 640, 672, 704),
    *(736, 768, 808, 848, 888, 928, 984, 1032, 1064, 1128, 1160, 1192, 1224, 1256, 1288, 1320, 1352, 1416, 1480, 1544),
    *(1608, 1672, 1736, 1800, 1864, 1928, 2024, 2088, 2152, 2216, 2280, 2408, 2472, 2536, 2600, 2664, 2728, 2792, 2856),
    *(2976, 3104, 3240, 3368, 3496, 3624, 3752, 3824),
)
"""TS 38.214, table 5.1.3.2-1."""
_LARGEST_SMALL_BITS = _SMALL_BITS[-1]


class TransportBlock(NamedTuple):
    """Sizes of a transport block.

    Fields:
        bits: information bits, without any CRC.
        code_blocks: how many code blocks it is cut into.
        code_block_bits: bits of each of them, with CRCs.
    """

    bits: int
    code_blocks: int
    code_block_bits: int


def transport_block(resource_elements: int, modulation_order: int, code_rate: float) -> TransportBlock:
    """The transport block of one layer (TS 38.214, 5.1.3.2; code blocks and CRCs: TS 38.212, 7.2.1 and 5.2.2).

    Args:
        resource_elements: for data.
        modulation_order: bits of a symbol.
        code_rate: target code rate of the MCS, below 1.
    """
    target = resource_elements * modulation_order * code_rate
    code_blocks = 1
    if target <= _LARGEST_SMALL_BITS:
        step = 2 ** max(3, _floor_log2(target) - 6)
        wanted = max(_SMALL_BITS[0], step * math.floor(target / step))
        bits = next(size for size in _SMALL_BITS if size >= wanted)
    else:
        step = 2 ** (_floor_log2(target - 24) - 5)
        wanted = max(3840, step * math.floor((target - 24) / step + 0.5))
        if code_rate <= 0.25:
            code_blocks = math.ceil((wanted + 24) / 3816)
        elif wanted > 8424:
            code_blocks = math.ceil((wanted + 24) / 8424)
        bits = 8 * code_blocks * math.ceil((wanted + 24) / (8 * code_blocks)) - 24
    of_transport_block, of_code_block = 24 if bits > _LARGEST_SMALL_BITS else 16, 24 if code_blocks > 1 else 0
    return TransportBlock(bits, code_blocks, (bits + of_transport_block) // code_blocks + of_code_block)


def _floor_log2(value: float) -> int:
    return math.frexp(value)[1] - 1
