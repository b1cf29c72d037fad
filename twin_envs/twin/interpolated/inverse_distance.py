"""Inverse-distance weighting (Shepard, *A two-dimensional interpolation function for irregularly-spaced
data*, 1968)."""

from __future__ import annotations

import torch

_POWER = 2
_LEAST_M = 1e-3


def inverse_distance_weights(position_m: torch.Tensor, place_m: torch.Tensor) -> torch.Tensor:
    """What each of P places counts at each position [N, 2], float32 [N, P]: by its squared distance, as a share."""
    away_m = torch.cdist(position_m, place_m, compute_mode="donot_use_mm_for_euclid_dist").clamp_min(_LEAST_M)
    nearest_m = away_m.amin(-1, keepdim=True) if len(place_m) else away_m
    weight = (nearest_m / away_m) ** _POWER
    return weight / weight.sum(-1, keepdim=True)


class InverseDistance:
    """The mean of an AP's residuals, each by one over the squared distance; zero for an AP of which there are none.

    It has no uncertainty of its own: that comes from places that were kept from it.

    Args:
        position_m: where residuals were measured, float32 [M, 2].
        ap: of which AP, int64 [M].
        residual: float32 [M, F].
    """

    def __init__(self, position_m: torch.Tensor, ap: torch.Tensor, residual: torch.Tensor) -> None:
        self._position_m, self._ap, self._residual = position_m, ap, residual

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`."""
        own = self._ap == ap
        residual = self._residual[own]
        nothing = torch.zeros(len(position_m), residual.shape[1], device=position_m.device)
        if not len(residual):
            return nothing, nothing
        return inverse_distance_weights(position_m, self._position_m[own]) @ residual, nothing
