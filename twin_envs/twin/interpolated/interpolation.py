"""How residuals are carried from where they were measured to other places: the interface, and none at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

_HELD, _HELD_STD = 0.9, 1.645
"""Share of a normal distribution within so many standard deviations."""


class Interpolation(Protocol):
    """Residuals at any place, from those that were measured."""

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the residuals of links to `ap` at `position_m` [N, 2], float32 [N, F] each."""


Interpolate = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Interpolation]
"""Makes an `Interpolation` of where residuals were measured [M, 2], of which AP int64 [M], and the residuals [M, F]."""


class NoInterpolation:
    """Residuals are expected to be zero everywhere: the law alone.

    Args:
        position_m, ap: where residuals were measured, and of which AP.
        residual: float32 [M, F]; their spread is the uncertainty.
    """

    def __init__(self, position_m: torch.Tensor, ap: torch.Tensor, residual: torch.Tensor) -> None:
        self._std = width(residual)

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`."""
        std = self._std.expand(len(position_m), -1)
        return torch.zeros_like(std), std


def width(error: torch.Tensor) -> torch.Tensor:
    """The standard deviation of a normal distribution that holds 90 % of errors [M, F] as they do, [F].

    Errors of gains have heavier tails than a normal distribution: its own would hold more than that.
    """
    return error.abs().quantile(_HELD, 0) / _HELD_STD
