"""The neural twin: what a network has learnt from a traced world, and then from what was measured."""

from __future__ import annotations

from typing import Self

import torch

from twin_envs.twin.interpolated.features import FEATURES, features_of
from twin_envs.twin.interpolated.grid import FeatureGrid, GriddedTwin
from twin_envs.twin.interpolated.heard import HEARD_SHARE, carried
from twin_envs.twin.interpolated.interpolation import width
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.twin.neural.links import Links, traced_links
from twin_envs.twin.neural.regression import regress, regress_for_strangers
from twin_envs.twin.profiled import ProfiledTwin, profiled
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site

_COUNT = len(FEATURES)


class SyntheticTwin(GriddedTwin):
    """What a network says that has learnt from a traced world alone: the first stage of a channel twin.

    Other than the traced world, it knows of links that were not traced. Paths follow from its knowledge (`profiled`).

    Args:
        links: of the site.
    """

    def __init__(self, links: Links) -> None:
        said = links.told @ links.weights
        mean = links.plain + said[..., :_COUNT] * links.scale
        super().__init__(
            FeatureGrid(links.geometry, mean, links.spread.expand_as(mean), said[..., _COUNT] >= HEARD_SHARE)
        )


class NeuralTwin(SyntheticTwin):
    """The same, its last layer adapted to what was measured, and what that leaves kriged: the stage of transfer.

    The last layer is told what was traced as well as what the map says, and is moved away from what it was in the
    traced world as far as measurements bear out (see `regress`). Of access points that were never measured it is
    moved as far as others bear out that were left out. By what measurements differ from what is said of them without
    them is kriged about that.

    Args:
        links: of the site.
    """

    def __init__(self, links: Links) -> None:
        super().__init__(links)
        self._links = links

    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        links, geometry = self._links, self._links.geometry
        check_measurements(measured, geometry)
        ap, position_m = measured.ap, measured.sensed.position_m
        cell = nearest_points(geometry, position_m)
        wanted = links.corrections(features_of(measured.values, measured.sensed), ap, cell)
        told, prior = links.told[ap, cell], links.weights[:, :_COUNT]
        found = regress(told, wanted, prior)
        kriging = Kriging(position_m, ap, found.left_out * links.scale)
        strange = found
        if 1 < len(ap.unique()) < len(geometry.ap_position_m):
            strange = regress_for_strangers(told, wanted, prior, ap)
        means, stds = [], []
        for number, (plain, seen) in enumerate(zip(links.plain, links.told, strict=True)):
            known = bool((ap == number).any())
            mean = plain + seen @ (found if known else strange).weights * links.scale
            off, std = kriging.at(geometry.point_m[:, :2], number)
            if not known:
                off, std = torch.zeros_like(off), (width(strange.left_out) * links.scale).expand_as(off)
            means.append(mean + off)
            stds.append(std)
        grid = FeatureGrid(geometry, torch.stack(means), torch.stack(stds), self._heard(measured))
        return self._with(_grid=grid, _error=None)

    def _heard(self, measured: Measurements) -> torch.Tensor:
        """Where each AP is expected to be heard, bool [A, C].

        The same regression, of whether it was; an AP that was heard nowhere may not have been there yet.
        """
        links = self._links
        heard = measured.heard(len(links.told))
        known = heard.any(0).nonzero()[:, 0]
        cell = nearest_points(links.geometry, measured.place_m)
        told = links.told[known[:, None], cell].flatten(0, 1)
        found = regress(told, heard[:, known].mT.float().reshape(-1, 1), links.weights[:, _COUNT:])
        said = (links.told @ found.weights)[..., 0]
        left = found.left_out.view(len(known), -1).mT
        said[known] += carried(left, measured, links.geometry)
        return said >= HEARD_SHARE


def nearest_points(geometry: Geometry, position_m: torch.Tensor) -> torch.Tensor:
    """The grid points that are nearest to `position_m` [N, 2], int64 [N]."""
    place = geometry.point_m[:, :2]
    return torch.cat([torch.cdist(part, place).argmin(-1) for part in position_m.split(1024)])


def synthetic_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """A network that has learnt from the twin world `world`. Raises `ConfigurationError` if there is no such world."""
    return profiled(SyntheticTwin(traced_links(site, world)), site)


def neural_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """The same, which learns from measurements. Raises `ConfigurationError` if there is no such world."""
    return profiled(NeuralTwin(traced_links(site, world)), site)
