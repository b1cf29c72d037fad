"""The network of Cao et al., *Advancing Ubiquitous Wireless Connectivity through Channel Twinning*: seven hidden
layers on the four coordinates of an access point and a UE."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from twin_envs.base.settings import lasting
from twin_envs.twin.interpolated.features import AZIMUTHS, FEATURES, features_of
from twin_envs.twin.interpolated.grid import FeatureGrid, GriddedTwin
from twin_envs.twin.interpolated.heard import near_by
from twin_envs.twin.interpolated.interpolation import width
from twin_envs.twin.interpolated.law import fit_law, residuals, straight_rad
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.twin.neural.network import new_network, train
from twin_envs.twin.neural.regression import spread_of
from twin_envs.twin.profiled import ProfiledTwin, profiled
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site

HIDDEN = (64,) * 7
_BATCH, _EPOCHS, _LEAST_STEPS, _MOST_STEPS = 128, 40, 80, 3000
_SEED = 0
_ONE_IN = 3
"""One measured access point in so many is left out, to find out how wrong the network is about such."""


class CoordinatesTwin(GriddedTwin):
    """Knowledge by a network of seven hidden layers that is told where AP and UE are, and nothing else.

    Before it has learnt, nothing is covered. Paths follow from its knowledge: see `profiled`.

    Args:
        geometry: of the site, which all its worlds share.
        boresight_rad: azimuth of each AP [A].
    """

    def __init__(self, geometry: Geometry, boresight_rad: torch.Tensor) -> None:
        super().__init__()
        self._geometry, self._boresight_rad = geometry, boresight_rad.to(geometry.point_m.device)

    @lasting()
    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        geometry, position_m, ap = self._geometry, measured.sensed.position_m, measured.ap
        check_measurements(measured, geometry)
        found = features_of(measured.values, measured.sensed)
        features = residuals(found, self._straight(position_m, ap))
        level, std = spread_of(features)
        std = torch.where(std.isfinite(), std, 1.0)
        told, wanted = coordinates(geometry, position_m, ap), (features - level) / std
        network = _trained(told, wanted)
        spread = width(wanted - network(told)) * std
        place, means = geometry.point_m[:, :2], []
        for number in range(len(geometry.ap_position_m)):
            of_ap = torch.full((len(place),), number, device=place.device)
            said = network(coordinates(geometry, place, of_ap)) * std + level
            means.append(said + self._straight(place, of_ap))
        mean = torch.stack(means)
        spread = spread.expand_as(mean).clone()
        silent = ap.bincount(minlength=len(mean)) == 0
        if silent.any():
            spread[silent] = _of_others(told, wanted, ap) * std
        there = near_by(measured, geometry, fit_law(geometry, self._boresight_rad, position_m, ap, found))
        return self._with(_grid=FeatureGrid(geometry, mean, spread, there), _error=None)

    def _straight(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Features [N, 10] of which the azimuths are those of the straight line, and the others 0."""
        plain = torch.zeros(len(ap), len(FEATURES), device=ap.device)
        plain[:, AZIMUTHS] = straight_rad(self._geometry, self._boresight_rad, position_m, ap)
        return plain


def _trained(told: torch.Tensor, wanted: torch.Tensor) -> nn.Sequential:
    """A network that says `wanted` [M, F] of what it is `told` [M, 4]."""
    network = new_network(4, HIDDEN, wanted.shape[1], _SEED).to(told.device)
    steps = min(max(_EPOCHS * len(told) // _BATCH, _LEAST_STEPS), _MOST_STEPS)
    train(network, told, wanted, torch.ones_like(wanted), steps=steps, batch=_BATCH)
    return network


def _of_others(told: torch.Tensor, wanted: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
    """How sure a network is of an AP that was not measured: by how wrong one is about every third that was, [F].

    As sure as of a mean if but one AP was measured: what is `wanted` has a spread of about one.
    """
    measured = ap.unique()
    away = torch.isin(ap, measured[::_ONE_IN])
    if away.all():
        return width(wanted)
    return width(wanted[away] - _trained(told[~away], wanted[~away])(told[away]))


def coordinates(geometry: Geometry, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
    """Where APs `ap` [N] and UEs at `position_m` [N, 2] are, as told to a network, float32 [N, 4], about -1 to 1."""
    low, high = geometry.point_m[:, :2].amin(0), geometry.point_m[:, :2].amax(0)
    both = torch.stack([geometry.ap_position_m[ap, :2], position_m], 1)
    return ((2 * both - low - high) / (high - low).amax()).flatten(1)


def coordinates_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """A network of coordinates; `world` is of no use to it."""
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
    return profiled(CoordinatesTwin(site.geometry, boresight_rad), site)
