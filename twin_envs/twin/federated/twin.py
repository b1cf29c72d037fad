"""The federated twin: the last layer of the neural twin, learnt by UEs that keep what they have measured."""

from __future__ import annotations

from typing import Self

import torch

from twin_envs.twin.federated.aggregation import trimmed_mean
from twin_envs.twin.federated.client import LayerClient
from twin_envs.twin.federated.server import Federation, Plan, Tally, federate
from twin_envs.twin.interpolated.features import FEATURES, features_of
from twin_envs.twin.interpolated.grid import FeatureGrid
from twin_envs.twin.interpolated.heard import HEARD_SHARE
from twin_envs.twin.interpolated.interpolation import width
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.twin.neural.links import Links, traced_links
from twin_envs.twin.neural.twin import SyntheticTwin, nearest_points
from twin_envs.twin.profiled import ProfiledTwin, profiled
from twin_envs.world.store.site import Site

CLIENTS = 5
PLAN = Plan(rounds=10, trim=0.1)
_PULL = 0.3
_COUNT = len(FEATURES)


class FederatedTwin(SyntheticTwin):
    """A last layer that UEs have adapted together to what each has measured; see `NeuralTwin` for what it is told.

    A UE sends weights, and how wide an interval holds 90 % of its own errors when the others have learnt without it.
    Nothing is kriged: the server does not know what was measured where. Before it has learnt it is the synthetic twin.

    Args:
        links: of the site.

    Attributes:
        tally: what was sent, refused and bounded; None before it has learnt.
    """

    def __init__(self, links: Links) -> None:
        super().__init__(links)
        self._links = links
        self.tally: Tally | None = None

    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`. A UE in five made each of it."""
        links, geometry = self._links, self._links.geometry
        check_measurements(measured, geometry)
        cell = nearest_points(geometry, measured.sensed.position_m)
        wanted = links.corrections(features_of(measured.values, measured.sensed), measured.ap, cell)
        told, ue = links.told[measured.ap, cell], measured.place % CLIENTS
        prior = links.weights[:, :_COUNT]
        found = _federated(told, wanted, ue, prior)
        layer = found.weights.view(-1, _COUNT)
        spread, tally = _left_out(told, wanted, ue, prior)
        heard = measured.heard(len(links.told))
        known = heard.any(0).nonzero()[:, 0]
        place = nearest_points(geometry, measured.place_m)
        sight = _federated(
            links.told[known[:, None], place].flatten(0, 1),
            heard[:, known].mT.float().reshape(-1, 1),
            (torch.arange(len(place), device=place.device) % CLIENTS).repeat(len(known)),
            links.weights[:, _COUNT:],
        )
        mean = links.plain + links.told @ layer * links.scale
        there = (links.told @ sight.weights) >= HEARD_SHARE
        grid = FeatureGrid(geometry, mean, (spread * links.scale).expand_as(mean), there)
        return self._with(_grid=grid, _error=None, tally=found.tally + sight.tally + tally)


def _federated(told: torch.Tensor, wanted: torch.Tensor, ue: torch.Tensor, prior: torch.Tensor) -> Federation:
    """A last layer from `prior` [D, F], learnt from samples [M, D] and [M, F] that UEs `ue` int64 [M] keep."""
    clients = [LayerClient(told[ue == number], wanted[ue == number], _PULL) for number in ue.unique().tolist()]
    return federate(clients, prior.flatten(), PLAN)


def _left_out(
    told: torch.Tensor, wanted: torch.Tensor, ue: torch.Tensor, prior: torch.Tensor
) -> tuple[torch.Tensor, Tally]:
    """The standard deviation [F] that the errors of UEs bear out when the others learn without them, and what that
    takes. A mean over the UEs by their measurements, the widest and the narrowest left out: no single UE can make the
    twin sure or unsure."""
    tally, widths = Tally(), []
    for number in ue.unique().tolist():
        own = ue == number
        layer = prior
        if not own.all():  # else nobody is left to learn anything
            others = _federated(told[~own], wanted[~own], ue[~own], prior)
            layer, tally = others.weights.view_as(prior), tally + others.tally
        widths.append(width(wanted[own] - told[own] @ layer))
    samples = ue.bincount()
    return trimmed_mean(torch.stack(widths), samples[samples > 0].to(prior.dtype), PLAN.trim), tally


def federated_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """Raises `ConfigurationError` if there is no twin world `world`."""
    return profiled(FederatedTwin(traced_links(site, world)), site)
