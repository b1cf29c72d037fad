"""Access points of which nothing was measured: the law alone speaks of them, and is wrong by more than near by."""

from __future__ import annotations

import torch

from twin_envs.twin.interpolated.interpolation import Interpolation, width
from twin_envs.twin.interpolated.law import FitLaw, residuals

_LEAST_LINKS = 8
"""To fit a law to, when those of an access point are left out."""


class OfOthers:
    """An interpolation whose uncertainty, of an access point that was not measured, is that of a law of the others.

    Each measured access point is left out in turn, and a law fitted to the rest: by what its features differ from that.

    Args:
        interpolation: of residuals.
        fit: fits the law.
        position_m, ap, features: what was measured; see `FitLaw`.
    """

    def __init__(
        self,
        interpolation: Interpolation,
        fit: FitLaw,
        position_m: torch.Tensor,
        ap: torch.Tensor,
        features: torch.Tensor,
    ) -> None:
        self._interpolation, self._known = interpolation, set(ap.unique().tolist())
        off = []
        for number in self._known:
            kept, rest = ap == number, ap != number
            if rest.sum() >= _LEAST_LINKS:
                law = fit(position_m[rest], ap[rest], features[rest])
                off.append(residuals(features[kept], law.at(position_m[kept], ap[kept])))
        self._std = width(torch.cat(off)) if off else None

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`."""
        mean, std = self._interpolation.at(position_m, ap)
        return mean, std if ap in self._known or self._std is None else self._std.expand_as(std)
