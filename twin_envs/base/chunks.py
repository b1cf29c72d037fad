"""Many rows, a few at a time, in chunks of few different sizes."""

from __future__ import annotations

from collections.abc import Iterator

import torch


def chunks(count: int, size: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Indices 0 to `count` - 1 in chunks of `size`.

    What a chunk needs for a moment is bounded, and with it the memory of a process. If every step came with chunks of
    another size, the C library could rarely give one the place of another, and the memory would grow and grow. So the
    last chunk is filled up to quarters of `size` with its last index, unless it is smaller than one: whoever computes
    for the same row twice must get the same twice.

    Args:
        count: how many, 0 or more.
        size: of a chunk, 1 or more.
        device: of the indices.

    Yields:
        int64 [at most `size`].
    """
    quarter = max(size // 4, 1)
    for first in range(0, count, size):
        length = min(size, count - first)
        filled = length if length <= quarter else min(-(-length // quarter) * quarter, size)
        yield torch.arange(first, first + filled, device=device).clamp_max_(first + length - 1)
