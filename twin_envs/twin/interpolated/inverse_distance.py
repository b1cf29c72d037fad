"""Inverse-distance weighting (Shepard, *A two-dimensional interpolation function for irregularly-spaced
data*, 1968)."""

from __future__ import annotations

import torch

from twin_envs.twin.interpolated.interpolation import width

_POWER = 2
_LEAST_M = 1e-3


def inverse_distance_weights(position_m: torch.Tensor, place_m: torch.Tensor) -> torch.Tensor:
    """What each of P places counts at each position [N, 2], float32 [N, P]: by its squared distance."""
    return _shares(_away_m(position_m, place_m))


def _away_m(position_m: torch.Tensor, place_m: torch.Tensor) -> torch.Tensor:
    # Not by a product of matrices, whose rounding is some centimetres on a site.
    return torch.cdist(position_m, place_m, compute_mode="donot_use_mm_for_euclid_dist").clamp_min(_LEAST_M)


def _shares(away_m: torch.Tensor) -> torch.Tensor:
    weight = (away_m.amin(-1, keepdim=True) / away_m) ** _POWER
    return weight / weight.sum(-1, keepdim=True)


class InverseDistance:
    """The mean of an AP's residuals, each by one over the squared distance; zero for an AP of which there are none.

    Its uncertainty is the same everywhere: by what each residual differs from what the AP's others say there; of an
    AP of which there are none, the spread of all residuals.

    Args:
        position_m: where residuals were measured, float32 [M, 2].
        ap: of which AP, int64 [M].
        residual: float32 [M, F].
    """

    def __init__(self, position_m: torch.Tensor, ap: torch.Tensor, residual: torch.Tensor) -> None:
        self._known = {number: (position_m[ap == number], residual[ap == number]) for number in ap.unique().tolist()}
        self._spread = width(residual)
        left_out = [_left_out(place_m, own) for place_m, own in self._known.values() if len(own) > 1]
        self._std = width(torch.cat(left_out)) if left_out else self._spread

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`."""
        if ap not in self._known:
            std = self._spread.expand(len(position_m), -1)
            return torch.zeros_like(std), std
        place_m, residual = self._known[ap]
        return inverse_distance_weights(position_m, place_m) @ residual, self._std.expand(len(position_m), -1)


def _left_out(place_m: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """By how much each residual [M, F] at `place_m` [M, 2] differs from what the others say there."""
    away_m = _away_m(place_m, place_m).fill_diagonal_(torch.inf)
    return residual - _shares(away_m) @ residual
