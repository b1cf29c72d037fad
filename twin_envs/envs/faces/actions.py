"""Actions from outside."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


def checked_action(space: gymnasium.Space[Any], action: Any, name: str = "action") -> np.ndarray[Any, Any]:
    """An action as an array of the type of its space, from anything that holds the same numbers.

    Args:
        space: a `Box`, `Discrete` or `MultiDiscrete`.
        action: numbers of any type; for whole ones they must be whole.
        name: what the action is called in the error.

    Raises:
        InvalidAction: it is not of the space's shape, or outside.
    """
    kind = np.dtype(space.dtype)
    try:
        with np.errstate(invalid="ignore"):
            given = np.asarray(action)
            cast = given.astype(kind)
        exact = kind.kind == "f" or np.array_equal(given, cast)
        valid = exact and space.contains(cast)
    except (TypeError, ValueError, OverflowError):  # not numbers, or not an array of them
        valid = False
    if not valid:
        raise gymnasium.error.InvalidAction(f"{name} must be in {space}, got {action!r}")
    return cast
