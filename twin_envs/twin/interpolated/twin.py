"""Channel twins that know nothing of a site but where its access points are, until they learn from measurements."""

from __future__ import annotations

from typing import Self

import torch

from twin_envs.twin.interpolated.features import features_of
from twin_envs.twin.interpolated.grid import GriddedTwin, tabulate
from twin_envs.twin.interpolated.interpolation import Interpolate, NoInterpolation
from twin_envs.twin.interpolated.inverse_distance import InverseDistance, inverse_distance_weights
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.law import fit_law, residuals
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site

HEARD_SHARE = 0.5
_NEIGHBOURS = 5
"""An AP is taken to be heard where it was at most of so many places, by one over their squared distance."""


class InterpolatedTwin(GriddedTwin):
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
        super().__init__()
        self._geometry, self._boresight_rad = geometry, boresight_rad.to(geometry.point_m.device)
        self._interpolate, self._everywhere = interpolate, everywhere

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


def heard_at(measured: Measurements, geometry: Geometry) -> torch.Tensor:
    """Where each AP is expected to be heard, bool [A, C]: where it was at most of the nearest places.

    An AP that was heard nowhere may not have been there yet: nothing is known of where it is heard.
    """
    heard = measured.heard(len(geometry.ap_position_m)).float()
    return (carried(measured.place_m, heard, geometry) >= HEARD_SHARE) | ~heard.any(0)[:, None]


def carried(place_m: torch.Tensor, values: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Means of `values` [P, A] at the nearest of places [P, 2], by one over their squared distance, float32 [A, C]."""
    found = []
    for point in geometry.point_m[:, :2].split(2048):
        near = torch.cdist(point, place_m).topk(min(_NEIGHBOURS, len(place_m)), largest=False).indices
        weight = inverse_distance_weights(point, place_m)
        weight = torch.zeros_like(weight).scatter(1, near, weight.gather(1, near))
        found.append(weight @ values / weight.sum(-1, keepdim=True))
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
