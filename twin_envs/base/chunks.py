"""Many rows, a few at a time, in blocks of few different sizes."""

from __future__ import annotations

from collections.abc import Iterator

import torch


def blocks(count: int, size: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Indices 0 to `count` - 1 in blocks of `size`.

    What a block needs for a moment is bounded, and with it the memory of a process. If every step came with blocks of
    another size, the C library could rarely give one the place of another, and the memory would grow and grow. So the
    last block is filled up to quarters of `size` with its last index, unless it is smaller than one: whoever computes
    for the same row twice must get the same twice.

    Args:
        count: how many, 0 or more.
        size: of a block, 1 or more.
        device: of the indices.

    Yields:
        int64 [at most `size`].
    """
    quarter = max(size // 4, 1)
    for first in range(0, count, size):
        length = min(size, count - first)
        filled = length if length <= quarter else min(-(-length // quarter) * quarter, size)
        yield torch.arange(first, first + filled, device=device).clamp_max_(first + length - 1)
