"""Inverse-distance weighting (Shepard, *A two-dimensional interpolation function for irregularly-spaced
data*, 1968)."""

from __future__ import annotations

import torch

from twin_envs.twin.interpolated.interpolation import width

_POWER = 2
_LEAST_M = 1e-3
_AWAY_M = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0)
"""Distances of the nearest place from which on errors are told apart."""
_LEAST_ERRORS = 30
"""From which the width at a distance is told; of fewer it is that at the next nearer one."""


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

    Its uncertainty grows with the distance of the nearest place: by what each residual differs from what the AP's
    others say there, and those of them that are so far away; of an AP of which there are none, the spread of all
    residuals.

    Args:
        position_m: where residuals were measured, float32 [M, 2].
        ap: of which AP, int64 [M].
        residual: float32 [M, F].
    """

    def __init__(self, position_m: torch.Tensor, ap: torch.Tensor, residual: torch.Tensor) -> None:
        self._known = {number: (position_m[ap == number], residual[ap == number]) for number in ap.unique().tolist()}
        self._spread = width(residual)
        self._edge_m = torch.tensor(_AWAY_M[1:], device=position_m.device)
        self._std = self._widths()

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`."""
        if ap not in self._known:
            std = self._spread.expand(len(position_m), -1)
            return torch.zeros_like(std), std
        place_m, residual = self._known[ap]
        away_m = _away_m(position_m, place_m)
        return _shares(away_m) @ residual, self._std[torch.bucketize(away_m.amin(-1), self._edge_m, right=True)]

    def _widths(self) -> torch.Tensor:
        """The standard deviation for each of `_AWAY_M` and beyond, float32 [K, F]; it does not fall."""
        parts = [_left_out(place_m, own, least_m) for place_m, own in self._known.values() for least_m in _AWAY_M]
        nearest_m, error = (torch.cat(values) for values in zip(*parts, strict=True))
        kind = torch.bucketize(nearest_m, self._edge_m, right=True)
        enough = kind.bincount(minlength=len(_AWAY_M)) >= _LEAST_ERRORS
        if not enough.any():
            return (width(error) if len(error) else self._spread).expand(len(_AWAY_M), -1)
        told = [width(error[kind == number]) if enough[number] else None for number in range(len(_AWAY_M))]
        last = next(one for one in told if one is not None)
        widths = [last := last if one is None else one for one in told]
        return torch.stack(widths).cummax(0).values


def _left_out(place_m: torch.Tensor, residual: torch.Tensor, least_m: float) -> tuple[torch.Tensor, torch.Tensor]:
    """By how much residuals [M, F] at `place_m` [M, 2] differ from what the others say that are `least_m` or more away.

    Returns:
        how far away the nearest of these is [K], and the differences [K, F], of those that have such others.
    """
    away_m = _away_m(place_m, place_m).fill_diagonal_(torch.inf)
    away_m = torch.where(away_m < least_m, torch.inf, away_m)
    nearest_m = away_m.amin(-1)
    there = nearest_m.isfinite()
    return nearest_m[there], residual[there] - _shares(away_m[there]) @ residual
