"""Action spaces as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from twin_envs.base.errors import ConfigurationError, check_number

_LARGEST = 10**6
_FIELDS = {"Discrete": ("n",), "MultiDiscrete": ("nvec",), "Box": ("low", "high", "size")}


def describe_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """An action space as plain data, such as `{"kind": "Discrete", "n": 10}`.

    Raises:
        ConfigurationError: it is no Discrete from 0, MultiDiscrete or flat Box of float32 whose sides are equal.
    """
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return {"kind": "Discrete", "n": int(space.n)}
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1 and not space.start.any():
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.dtype == np.float32 and space.is_bounded():
        low, high = np.unique(space.low), np.unique(space.high)
        if len(low) == len(high) == 1:
            return {"kind": "Box", "low": float(low[0]), "high": float(high[0]), "size": space.shape[0]}
    raise ConfigurationError(f"the action space must be Discrete, MultiDiscrete or a flat bounded Box, got {space}")


def read_space(description: Any) -> spaces.Space[Any]:
    """The action space that `describe_space` described.

    Raises:
        ConfigurationError: it is not described as there.
    """
    kind = description.get("kind") if isinstance(description, dict) else None
    if kind not in _FIELDS or set(description) != {"kind", *_FIELDS[kind]}:
        needs = "; ".join(f"{name} with {', '.join(fields)}" for name, fields in _FIELDS.items())
        raise ConfigurationError(f"action_space must be one of {needs}, got {description!r}")
    if kind == "Discrete":
        check_number("action_space.n", description["n"], 2, _LARGEST, integer=True)
        return spaces.Discrete(description["n"])
    if kind == "MultiDiscrete":
        sizes = description["nvec"]
        if not isinstance(sizes, list) or not sizes:
            raise ConfigurationError(f"action_space.nvec must be a list of 1 size or more, got {sizes!r}")
        for index, size in enumerate(sizes):
            check_number(f"action_space.nvec[{index}]", size, 1, _LARGEST, integer=True)
        return spaces.MultiDiscrete(sizes)
    low, high = description["low"], description["high"]
    check_number("action_space.low", low)
    check_number("action_space.high", high, low)
    check_number("action_space.size", description["size"], 1, _LARGEST, integer=True)
    return spaces.Box(low, high, (description["size"],), np.float32)
