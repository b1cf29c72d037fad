"""Options as plain Python values, whatever types they are given as, so that specifications go through JSON."""

from __future__ import annotations

import copy
from enum import Enum
from typing import Any

import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec


def plain(value: Any) -> Any:
    """NumPy's numbers, truth values and texts as Python's own, a device and a member of an enumeration by its name."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.device):
        return str(value)
    return value.value if isinstance(value, Enum) else value


def whole(value: Any) -> Any:
    """A whole number as an `int`, also a float such as 4.0, as clients send that know no integers; else `plain`."""
    value = plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


class PlainSpec:
    """An environment whose specification has plain values, whatever it was made with."""

    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """How to make the environment anew; Gymnasium sets it."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = copy.copy(spec)
        if self._spec is not None:
            self._spec.kwargs = {name: plain(value) for name, value in self._spec.kwargs.items()}
