"""Channel twins that know nothing of a site but where its access points are, until they learn from measurements."""

from __future__ import annotations

from typing import Self

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.error import TwinError
from twin_envs.twin.interpolated.features import features_of, values_of
from twin_envs.twin.interpolated.grid import FeatureGrid, tabulate
from twin_envs.twin.interpolated.interpolation import Interpolate, NoInterpolation
from twin_envs.twin.interpolated.inverse_distance import InverseDistance, inverse_distance_weights
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.law import fit_law, residuals
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge, SensedState
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site

_HEARD_SHARE = 0.5
_NEIGHBOURS = 5
"""An AP is taken to be heard where it was at most of so many places, by one over their squared distance."""


class InterpolatedTwin(Constant):
    """A path-loss law, and what was measured beside it carried to other places.

    Before it has learnt, nothing is covered. It has no paths: no channels, no beams, no prior for an estimator.

    Args:
        geometry: of the site, which all its worlds share.
        boresight_rad: azimuth of each AP [A].
        interpolate: carries residuals about the law to other places.
        everywhere: whether an AP is expected to be heard at every grid point, or where it was heard near by.
    """

    def __init__(
        self, geometry: Geometry, boresight_rad: torch.Tensor, interpolate: Interpolate, *, everywhere: bool = False
    ) -> None:
        self._geometry, self._boresight_rad = geometry, boresight_rad.to(geometry.point_m.device)
        self._interpolate, self._everywhere = interpolate, everywhere
        self._grid: FeatureGrid | None = None
        self._error: TwinError | None = None

    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        check_measurements(measured, self._geometry)
        position_m, ap = measured.sensed.position_m, measured.ap
        features = features_of(measured.values, measured.sensed)
        law = fit_law(self._geometry, self._boresight_rad, position_m, ap, features)
        interpolation = self._interpolate(position_m, ap, residuals(features, law.at(position_m, ap)))
        there = heard_at(measured, self._geometry)
        if self._everywhere:
            there = torch.ones_like(there)
        return self._with(_grid=tabulate(self._geometry, law, interpolation, there), _error=None)

    def knowing(self, error: TwinError) -> Self:
        """The same twin, which knows how wrong it is; see `LearnsError`."""
        return self._with(_error=error)

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N] (see `Knowledge`)."""
        if self._grid is None:
            nothing = torch.zeros(len(ap), len(KNOWLEDGE_FIELDS), device=ap.device)
            return Knowledge(covered=nothing[:, 0], values=nothing, std=nothing)
        covered, features, std = self._grid.at(sensed, ap)
        values, std = values_of(features, std, sensed)
        known = Knowledge(covered=covered, values=values, std=std)
        return known if self._error is None else self._error.correct(known, sensed)

    def _with(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self), **changed)
        return other


def heard_at(measured: Measurements, geometry: Geometry) -> torch.Tensor:
    """Where each AP is expected to be heard, bool [A, C]: where it was at most of the nearest places.

    An AP that was heard nowhere may not have been there yet: nothing is known of where it is heard.
    """
    heard = measured.heard(len(geometry.ap_position_m)).float()
    unknown, found = ~heard.any(0), []
    for place in geometry.point_m[:, :2].split(2048):
        away_m = torch.cdist(place, measured.place_m)
        near = away_m.topk(min(_NEIGHBOURS, len(measured.place_m)), largest=False).indices
        weight = torch.zeros_like(away_m).scatter(
            1, near, inverse_distance_weights(place, measured.place_m).gather(1, near)
        )
        found.append((weight @ heard >= _HEARD_SHARE * weight.sum(-1, keepdim=True)) | unknown)
    return torch.cat(found).mT.contiguous()


def path_loss_twin(site: Site, world: str, device: torch.device) -> InterpolatedTwin:
    """A path-loss law that is fitted by least squares; `world` is of no use to it."""
    return _make(site, NoInterpolation, everywhere=True)


def inverse_distance_twin(site: Site, world: str, device: torch.device) -> InterpolatedTwin:
    """Inverse-distance weighting about the path-loss law; `world` is of no use to it."""
    return _make(site, InverseDistance)


def kriging_twin(site: Site, world: str, device: torch.device) -> InterpolatedTwin:
    """Kriging about the path-loss law; `world` is of no use to it."""
    return _make(site, Kriging)


def _make(site: Site, interpolate: Interpolate, *, everywhere: bool = False) -> InterpolatedTwin:
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
    return InterpolatedTwin(site.geometry, boresight_rad, interpolate, everywhere=everywhere)
