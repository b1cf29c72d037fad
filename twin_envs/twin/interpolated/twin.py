"""Channel twins that know nothing of a site but where its access points are, until they learn from measurements."""

from __future__ import annotations

from functools import partial
from typing import Self

import torch

from twin_envs.twin.interpolated.features import features_of
from twin_envs.twin.interpolated.grid import GriddedTwin, tabulate
from twin_envs.twin.interpolated.heard import Heard, everywhere, near_by
from twin_envs.twin.interpolated.interpolation import Interpolate, NoInterpolation
from twin_envs.twin.interpolated.inverse_distance import InverseDistance
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.law import FitLaw, fit_law, residuals
from twin_envs.twin.interpolated.unmeasured import OfOthers
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.twin.profiled import ProfiledTwin, profiled
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site


class InterpolatedTwin(GriddedTwin):
    """A law, and what was measured beside it carried to other places.

    Before it has learnt, nothing is covered. Paths follow from its knowledge: see `profiled`.

    Args:
        geometry: of the site, which all its worlds share.
        fit: fits the law.
        interpolate: carries residuals about the law to other places.
        heard: says where an AP is expected to be heard.
    """

    def __init__(self, geometry: Geometry, fit: FitLaw, interpolate: Interpolate, heard: Heard = near_by) -> None:
        super().__init__()
        self._geometry, self._fit, self._interpolate, self._heard = geometry, fit, interpolate, heard

    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        check_measurements(measured, self._geometry)
        position_m, ap = measured.sensed.position_m, measured.ap
        features = features_of(measured.values, measured.sensed)
        law = self._fit(position_m, ap, features)
        interpolation = self._interpolate(position_m, ap, residuals(features, law.at(position_m, ap)))
        if self._unmeasured(ap):
            interpolation = OfOthers(interpolation, self._fit, position_m, ap, features)
        there = self._heard(measured, self._geometry, law)
        return self._with(_grid=tabulate(self._geometry, law, interpolation, there), _error=None)

    def _unmeasured(self, ap: torch.Tensor) -> bool:
        """Whether there are access points beside these."""
        return len(ap.unique()) < len(self._geometry.ap_position_m)


def path_loss_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """A path-loss law that is fitted by least squares; `world` is of no use to it."""
    return _make(site, NoInterpolation, everywhere)


def inverse_distance_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """Inverse-distance weighting about the path-loss law; `world` is of no use to it."""
    return _make(site, InverseDistance)


def kriging_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """Kriging about the path-loss law; `world` is of no use to it."""
    return _make(site, Kriging)


def _make(site: Site, interpolate: Interpolate, heard: Heard = near_by) -> ProfiledTwin:
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points], device=site.device)
    fit = partial(fit_law, site.geometry, boresight_rad)
    return profiled(InterpolatedTwin(site.geometry, fit, interpolate, heard), site)
