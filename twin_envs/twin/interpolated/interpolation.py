"""How residuals are carried from where they were measured to other places: the interface, and none at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch


class Interpolation(Protocol):
    """Residuals at any place, from those that were measured."""

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the residuals of links to `ap` at `position_m` [N, 2], float32 [N, F] each."""


Interpolate = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Interpolation]
"""Makes an `Interpolation` of where residuals were measured [M, 2], of which AP int64 [M], and the residuals [M, F]."""


class NoInterpolation:
    """Residuals are zero everywhere: the law alone.

    Args:
        position_m, ap: where residuals were measured, and of which AP.
        residual: float32 [M, F].
    """

    def __init__(self, position_m: torch.Tensor, ap: torch.Tensor, residual: torch.Tensor) -> None:
        self._features = residual.shape[1]

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`."""
        nothing = torch.zeros(len(position_m), self._features, device=position_m.device)
        return nothing, nothing
