"""Where an access point is heard: weak links are not measured, so gains that were say nothing of them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from twin_envs.twin.interpolated.law import Law
from twin_envs.twin.measurements import Measurements
from twin_envs.world.atlas.geometry import Geometry

Heard = Callable[[Measurements, Geometry, Law], torch.Tensor]
"""Says at which grid points each access point is expected to be heard, bool [A, C]."""
HEARD_SHARE = 0.5
_NEIGHBOURS = 5
_PLACES = 2048
_LEAST_M = 1e-3
_NEAR, _NEAR_M = 3.0, 10.0
"""A place counts beside what is expected of the link as many times as this, less by 1/e for each 10 m it is away."""
_PENALTY, _LEVEL_PENALTY, _STEPS = 1.0, 1e-2, 30


def everywhere(measured: Measurements, geometry: Geometry, law: Law) -> torch.Tensor:
    """Every access point at every grid point."""
    return torch.ones(
        len(geometry.ap_position_m), len(geometry.point_m), dtype=torch.bool, device=geometry.point_m.device
    )


def near_by(measured: Measurements, geometry: Geometry, law: Law) -> torch.Tensor:
    """Where it was heard at most of the five nearest places, by one over their squared distance.

    An access point that was heard nowhere may not have been there yet: it is expected where the law's terms say so, as
    of those that were heard.
    """
    heard = measured.heard(len(geometry.ap_position_m))
    there = carried(heard.float(), measured, geometry) >= HEARD_SHARE
    known = heard.any(0)
    if known.all():
        return there
    return there.where(known[:, None], likelihood(measured, geometry, law) > HEARD_SHARE)


def carried(values: torch.Tensor, measured: Measurements, geometry: Geometry) -> torch.Tensor:
    """Means of `values` [P, A] at the five nearest of P measured places, by one over their squared distance, [A, C]."""
    nearest, away_m = _nearest(measured, geometry)
    weight = (away_m[:, :1] / away_m).square()[..., None]
    return ((weight * values[nearest]).sum(1) / weight.sum(1)).mT


def near_by_or_likely(measured: Measurements, geometry: Geometry, law: Law) -> torch.Tensor:
    """Where the law's terms and the five nearest places together say so: a place counts the more the nearer it is."""
    heard = measured.heard(len(geometry.ap_position_m))
    nearest, away_m = _nearest(measured, geometry)
    weight = _NEAR * torch.exp(-away_m / _NEAR_M)[..., None] * heard.any(0)
    there, places = (weight * heard[nearest]).sum(1).mT, weight.sum(1).mT
    return likelihood(measured, geometry, law) + there > HEARD_SHARE * (1 + places)


def likelihood(measured: Measurements, geometry: Geometry, law: Law) -> torch.Tensor:
    """How likely it is, by the law's terms alone, that each access point is heard at each grid point, float32 [A, C].

    A logistic regression with a penalty on its weights, over the access points that were heard somewhere and all
    places, by Newton's method.
    """
    aps = len(geometry.ap_position_m)
    heard = measured.heard(aps)
    known = heard.any(0).nonzero()[:, 0]
    terms = law.terms(measured.place_m.repeat_interleave(len(known), 0), known.repeat(len(measured.place_m)))
    centre, scale = terms.mean(0), terms.std(0).clamp_min(1e-6)

    def design(terms: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad((terms - centre) / scale, (1, 0), value=1.0).double()

    unit, truth = design(terms), heard[:, known].flatten().double()
    penalty = torch.full((unit.shape[1],), _PENALTY, dtype=unit.dtype, device=unit.device)
    penalty[0] = _LEVEL_PENALTY
    weight = torch.zeros_like(penalty)
    for _ in range(_STEPS):
        said = torch.sigmoid(unit @ weight)
        curvature = (unit * (said * (1 - said))[:, None]).mT @ unit + penalty.diag()
        weight = weight + torch.linalg.solve(curvature, unit.mT @ (truth - said) - penalty * weight)
    place_m = geometry.point_m[:, :2]
    number = torch.arange(aps, device=place_m.device)
    return torch.stack(
        [torch.sigmoid(design(law.terms(place_m, ap.expand(len(place_m)))) @ weight).float() for ap in number]
    )


def _nearest(measured: Measurements, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
    """The measured places nearest to each grid point, int64 [C, 5], and how far they are away, float32 [C, 5]."""
    nearest, away_m = [], []
    for place_m in geometry.point_m[:, :2].split(_PLACES):
        apart_m = torch.cdist(place_m, measured.place_m, compute_mode="donot_use_mm_for_euclid_dist")
        found = apart_m.topk(min(_NEIGHBOURS, len(measured.place_m)), largest=False)
        nearest.append(found.indices)
        away_m.append(found.values.clamp_min(_LEAST_M))
    return torch.cat(nearest), torch.cat(away_m)
