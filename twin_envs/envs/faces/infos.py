"""What is told of steps and resets, in the form that Gymnasium's `info` has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

Array = np.ndarray[Any, Any]
_PYTHON = {"f": np.float64, "i": np.int64, "b": np.bool_}
"""The type in which an array holds Python's own numbers, by the kind of what they were."""


def info_of_one(info: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The `info` of a single environment from what is told of it, [1, ...] each: Python's own numbers, or arrays."""
    return {key: value[0].cpu().numpy() if value.dim() > 1 else value.item() for key, value in info.items()}


def add_infos(infos: dict[str, Any], mask: Array, info: dict[str, torch.Tensor]) -> None:
    """Add what is told of the environments of `mask` bool [B], [N, ...] each, to the `infos` of a batch.

    As `SyncVectorEnv` does with what `info_of_one` gives: an array [B, ...] for each key, 0 where nothing is told, and
    under the key with `_` before it a mask of the environments of which something is told.
    """
    for key, tensor in info.items():
        values = tensor.cpu().numpy()
        kind = values.dtype if values.ndim > 1 else _PYTHON[values.dtype.kind]
        infos.setdefault(key, np.zeros((len(mask), *values.shape[1:]), kind))[mask] = values
        infos.setdefault(f"_{key}", np.zeros(len(mask), np.bool_))[mask] = True


def join_infos(parts: Sequence[dict[str, Any]], sizes: Sequence[int]) -> dict[str, Any]:
    """The `infos` of a batch from those of its parts, which have `sizes` environments; see `add_infos`."""
    infos: dict[str, Any] = {}
    for key in dict.fromkeys(key for part in parts for key in part):
        told = [part.get(key) for part in parts]
        like = next(values for values in told if values is not None)
        if isinstance(like, dict):
            infos[key] = join_infos([values or {} for values in told], sizes)
        else:
            nothing = None if like.dtype == object else 0
            infos[key] = np.concatenate(
                [
                    np.full((size, *like.shape[1:]), nothing, like.dtype) if values is None else values
                    for values, size in zip(told, sizes, strict=True)
                ]
            )
    return infos
