"""What a network is told of every link of a site, and what it has learnt of the links that were traced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import lasting
from twin_envs.twin.interpolated.features import AZIMUTHS, FEATURES, GAIN, features_of
from twin_envs.twin.interpolated.law import residuals, straight_rad
from twin_envs.twin.knowledge import STATIC_FIELDS, SensedState
from twin_envs.twin.map.features import MapFeatures, map_features
from twin_envs.twin.measurements import free_space_db
from twin_envs.twin.neural.network import new_network, train
from twin_envs.twin.neural.regression import spread_of
from twin_envs.twin.neural.surroundings import surroundings
from twin_envs.twin.quadrature import wrapped
from twin_envs.twin.traced import TracedTwin, traced_twin
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.store.site import Site, kept_by_site

HIDDEN = (64, 64)
_STEPS, _BATCH, _SAMPLES = 400, 512, 10_000
_MOST = 4.0
"""What is told is cut off so many standard deviations from its mean."""
_STATIC = len(STATIC_FIELDS)
_SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Links from which a network learns, as they are at grid points.

    Attributes:
        ap, cell: of each link, int64 [M].
        features: see `FEATURES`, float32 [M, 10]; of links that are not heard anything.
        heard: bool [M].
    """

    ap: torch.Tensor
    cell: torch.Tensor
    features: torch.Tensor
    heard: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Links(Constant):
    """All links of a site as a last layer sees them, that layer, and what it is about.

    Attributes:
        geometry: A access points and C grid points.
        plain: features that a link would have in free space, float32 [A, C, 10]: those are what the layer corrects.
        scale: what a correction by 1 means, of each feature [10].
        told: what the layer is told, float32 [A, C, D]: what the hidden layers make of the map, the map itself, and
            what was traced.
        weights: of the layer, float32 [D, 11]: corrections, and whether the link is heard, of which 1 is yes.
        spread: how much of the samples' corrections the layer misses, as a standard deviation [10].
    """

    geometry: Geometry
    plain: torch.Tensor
    scale: torch.Tensor
    told: torch.Tensor
    weights: torch.Tensor
    spread: torch.Tensor

    def corrections(self, features: torch.Tensor, ap: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        """By what the plain features of links [M] to `ap` at `cell` must be corrected to be `features` [M, 10]."""
        return residuals(features, self.plain[ap, cell]) / self.scale


def links_of(
    known: MapFeatures,
    samples: Samples,
    traced: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    steps: int = _STEPS,
) -> Links:
    """The links of a site, to a network that learns from samples.

    Args:
        known: what the map says of the links.
        samples: 2 or more that are heard.
        traced: what a twin world says of all links, float32 [A, C, 8], and which of them it knows, bool [A, C]; a last
            layer may be told that beside what the map says.
        steps: of the training.
    """
    said, geometry = surroundings(known), known.geometry
    aps, points = known.distance_m.shape
    plain = torch.zeros(aps, points, len(FEATURES), device=said.device)
    plain[..., GAIN] = free_space_db(geometry.carrier_hz, known.distance_m) + known.element_db
    for ap in range(aps):
        number = torch.full((points,), ap, device=said.device)
        plain[ap, :, AZIMUTHS] = straight_rad(geometry, known.boresight_rad, geometry.point_m[:, :2], number)
    mean, std = spread_of(said.flatten(0, 1))
    said = ((said - mean) / std).clamp(-_MOST, _MOST)
    at = (samples.ap, samples.cell)
    off = residuals(samples.features, plain[at])
    scale = off[samples.heard].std(0).clamp_min(1e-12)
    heard = samples.heard[:, None].float()
    network = new_network(said.shape[-1], HIDDEN, len(FEATURES) + 1, _SEED)
    network.to(said.device)
    weight = torch.cat([heard.expand(-1, len(FEATURES)), torch.ones_like(heard)], -1)
    wanted = torch.cat([torch.where(samples.heard[:, None], off / scale, 0.0), heard], -1)
    train(network, said[at], wanted, weight, steps=steps, batch=_BATCH)
    hidden, last = network[:-1], cast(torch.nn.Linear, network[-1])
    seen = hidden(said)
    seen_mean, seen_std = spread_of(seen.flatten(0, 1))
    parts = [(seen - seen_mean) / seen_std, said]
    if traced is not None:
        parts.append(_told_of_traced(*traced, plain, scale, ~known.in_sight))
    told = torch.cat([torch.ones_like(said[..., :1]), *parts], -1)
    weights = torch.zeros(told.shape[-1], wanted.shape[1], device=told.device)
    weights[1 : 1 + len(seen_std)] = torch.where(seen_std.isfinite(), seen_std, 0.0)[:, None] * last.weight.mT
    weights[0] = last.bias + last.weight @ seen_mean
    missed = (told[at] @ weights)[:, :-1] - wanted[:, :-1]
    return Links(
        geometry=geometry,
        plain=plain,
        scale=scale,
        told=told,
        weights=weights,
        spread=missed[samples.heard].square().mean(0).sqrt() * scale,
    )


@kept_by_site
@lasting()
def traced_links(site: Site, world: str) -> Links:
    """The links of a site, to a network that has learnt from those of its twin world `world`.

    Raises:
        ConfigurationError: there is no such world.
    """
    twin = traced_twin(site, world, site.device)
    static, known = twin.at_points()
    return links_of(map_features(site), _traced_samples(twin, known), (static, known))


def _traced_samples(twin: TracedTwin, known: torch.Tensor) -> Samples:
    """Links of a traced twin; at a walking pace, in random directions."""
    generator = torch.Generator().manual_seed(_SEED)
    geometry, device = twin.atlas.geometry, known.device
    number = torch.randint(known.numel(), (_SAMPLES,), generator=generator).to(device)
    ap, cell = number // known.shape[1], number % known.shape[1]
    heading = (2 * torch.pi * torch.rand(_SAMPLES, generator=generator)).to(device)
    nothing = torch.zeros(_SAMPLES, device=device)
    sensed = SensedState(
        position_m=geometry.point_m[cell, :2],
        velocity_m_s=torch.stack([heading.cos(), heading.sin()], -1),
        position_std_m=nothing,
        velocity_std_m_s=nothing,
    )
    heard = known[ap, cell]
    features = torch.zeros(_SAMPLES, len(FEATURES), device=device)
    features[heard] = features_of(twin.predict(sensed.of(heard), ap[heard]).values, sensed.of(heard))
    return Samples(ap=ap, cell=cell, features=features, heard=heard)


def _told_of_traced(
    static: torch.Tensor, known: torch.Tensor, plain: torch.Tensor, scale: torch.Tensor, blocked: torch.Tensor
) -> torch.Tensor:
    """What was traced, as it is told to a last layer, in and out of sight, float32 [A, C, 18]."""
    off = static - plain[..., :_STATIC]
    off[..., AZIMUTHS] = wrapped(off[..., AZIMUTHS])
    off = torch.where(known[..., None], (off / scale[:_STATIC]).clamp(-_MOST, _MOST), 0.0)
    told = torch.cat([off, known[..., None].float()], -1)
    return torch.cat([told, told * blocked[..., None]], -1)
