"""Actions as a learner wants them."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from gymnasium import spaces

Array = np.ndarray[Any, Any]


def learner_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space that a learner acts in: a Box is scaled to -1 to 1, where a fresh Gaussian policy explores all of it.

    Others are copied, since a learner seeds its space.
    """
    return spaces.Box(-1.0, 1.0, space.shape, np.float32) if isinstance(space, spaces.Box) else copy(space)


def from_learner(actions: Array, space: spaces.Space[Any]) -> Array:
    """Actions [N, ...] in `space` that a learner chose in `learner_space(space)`."""
    if not isinstance(space, spaces.Box):
        return actions
    scaled = space.low + (np.asarray(actions) + 1.0) / 2.0 * (space.high - space.low)
    return np.clip(scaled, space.low, space.high).astype(np.float32)


def to_learner(actions: Array, space: spaces.Space[Any]) -> Array:
    """What a learner would have chosen in `learner_space(space)` for actions [N, ...] in `space`."""
    if not isinstance(space, spaces.Box):
        return actions
    return ((np.asarray(actions) - space.low) / (space.high - space.low) * 2.0 - 1.0).astype(np.float32)
