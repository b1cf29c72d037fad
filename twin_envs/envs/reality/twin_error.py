"""What the network measures of the channel when a site is commissioned, and learns of its twin's error from it.

Privileged: measures in reality (see `READS_REALITY`). What leaves it is what was measured, with noise: somebody walks
about with a channel sounder, at places that are known to `PLACE_STD_M`, and every AP that is heard is measured there.
Azimuths of departure are those of the map: what measures them at the AP is aligned by itself, not by the AP's array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from twin_envs.base.errors import check_choice
from twin_envs.base.settings import lasting
from twin_envs.csi.nr.overhead import csi_rs_resource_elements
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, SensedState
from twin_envs.twin.learning import learnt
from twin_envs.twin.measurements import Measurements
from twin_envs.twin.protocol import ChannelTwin, LearnsError, LearnsKnowledge
from twin_envs.twin.traced import complete_knowledge, static_knowledge
from twin_envs.world.atlas.atlas import Atlas, PackedPaths
from twin_envs.world.recipe import SiteRecipe
from twin_envs.world.store.site import Site, kept_by_site

PLACE_STD_M, VELOCITY_STD_M_S = 0.5, 0.05
"""How well the place and the velocity of the sounder are known, in each axis."""
_WALK_M_S = 1.34
LEAST_SNR = 10.0
"""Of an antenna of an AP, or of a beam, that counts as heard; linear."""
_MEASUREMENT_STD = {
    "gain_db": 0.5,
    "delay_spread_s": 5e-9,
    "departure_azimuth_rad": 0.03,
    "departure_spread_rad": 0.03,
    "arrival_azimuth_rad": 0.03,
    "arrival_spread_rad": 0.03,
    "k_factor_db": 1.0,
    "doppler_spread_hz": 0.1,
}
"""Errors of the sounder: half a decibel, 5 ns, 2 degrees. Whether there is line of sight is seen."""
_SEED = 0


def commissioned(twin: ChannelTwin, site: Site, world: str, places: int, beams: int = 1) -> ChannelTwin:
    """The twin, knowing what `places` places in `world` tell: see `learnt`. Unchanged if it cannot learn, or of none.

    `beams`: see `measure`.

    Raises:
        ConfigurationError: the twin learns its knowledge, and there are too few places.
    """
    if not isinstance(twin, LearnsKnowledge) and (not isinstance(twin, LearnsError) or not places):
        return twin
    return learnt(twin, measure(site, world, places, _SEED, beams), site.geometry)


@dataclass(frozen=True, kw_only=True)
class Commissioning:
    """How the twins of a site come to know it, each once for each site: called as `channel_twins` calls what they make.

    Attributes:
        make: makes the channel twin, as `channel_twins` has it.
        measured: the world that is measured.
        places: where; none if no sounder goes round.
        beams: see `measure`.
    """

    make: Callable[[Site, str, torch.device], ChannelTwin]
    measured: str
    places: int
    beams: int = 1

    def __call__(self, site: Site, world: str, device: torch.device) -> ChannelTwin:
        """The channel twin of the twin world `world`: see `knowing`; as it is made if there are no places.

        Raises:
            ConfigurationError: there is no such world, or the twin learns, and there are too few places.
        """
        return self.knowing(site, world, device) if self.places else self.make(site, world, device)

    def knowing(self, site: Site, world: str, device: torch.device) -> ChannelTwin:
        """The same, but one that learns its knowledge has to: see `commissioned`, which says what is raised."""
        check_choice("twin", world, site.twins)
        check_choice("world", self.measured, site.recipe.worlds)
        return _knowing(site, self, world, device)


@kept_by_site
@lasting()
def _knowing(site: Site, how: Commissioning, world: str, device: torch.device) -> ChannelTwin:
    return commissioned(how.make(site, world, device), site, how.measured, how.places, how.beams)


def measure(site: Site, world: str, places: int, seed: int, beams: int = 1) -> Measurements:
    """A walk with a channel sounder.

    Args:
        site: the site.
        world: the world that is measured.
        places: at so many random grid points, and anywhere round each, in a random direction.
        seed: of the places and errors.
        beams: of an array that sends one after the other, each as many times as strong as an antenna; 1 for arrays
            whose antennas send side by side.
    """
    generator, geometry, atlas = np.random.default_rng(seed), site.geometry, site.reality(world)

    def to_tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(site.device, torch.float32)

    cell = torch.from_numpy(generator.integers(len(geometry.point_m), size=places)).to(site.device)
    moved = to_tensor(generator.uniform(-0.5, 0.5, (places, 2)) * geometry.grid_m)
    heading = to_tensor(generator.uniform(-math.pi, math.pi, places))
    velocity = _WALK_M_S * torch.stack([heading.cos(), heading.sin()], -1)
    wrong, wrong_velocity = (
        std * to_tensor(generator.standard_normal((places, 2))) for std in (PLACE_STD_M, VELOCITY_STD_M_S)
    )
    heard = beams * atlas.gain[:, cell].mT > LEAST_SNR * noise_to_power(site.recipe)
    place, ap = heard.nonzero(as_tuple=True)
    position = geometry.point_m[cell] + torch.nn.functional.pad(moved, (0, 1))
    values = true_knowledge(atlas, site.recipe, position[place], velocity[place], ap)
    noise = to_tensor(generator.standard_normal(tuple(values.shape)))
    std = torch.tensor([_MEASUREMENT_STD.get(name, 0.0) for name in KNOWLEDGE_FIELDS], device=site.device)
    sensed = SensedState(
        position_m=(position[:, :2] + wrong)[place],
        velocity_m_s=(velocity + wrong_velocity)[place],
        position_std_m=torch.full((len(place),), PLACE_STD_M, device=site.device),
        velocity_std_m_s=torch.full((len(place),), VELOCITY_STD_M_S, device=site.device),
    )
    ports = 1 if beams > 1 else site.recipe.array.rows * site.recipe.array.columns
    elements = beams * csi_rs_resource_elements(ports, 1.0, site.recipe.csi_blocks)
    return Measurements(
        sensed=sensed,
        ap=ap,
        place=place,
        values=values + std * noise,
        std=std,
        place_m=position[:, :2] + wrong,
        resource_elements=places * len(atlas.gain) * elements,
    )


def true_knowledge(
    atlas: Atlas, recipe: SiteRecipe, position_m: torch.Tensor, velocity_m_s: torch.Tensor, ap: torch.Tensor
) -> torch.Tensor:
    """What is true of M links, float32 [M, fields], in the order of `KNOWLEDGE_FIELDS`.

    Args:
        atlas: of the world in which it is true.
        recipe: the site.
        position_m: float32 [M, 3].
        velocity_m_s: float32 [M, 2].
        ap: int64 [M].
    """
    local = atlas.paths(position_m, ap)
    used = local.power > 0
    link = used.nonzero()[:, 0]
    shortest = torch.where(used, local.length_m, torch.inf).argmin(-1, keepdim=True)
    direct = torch.zeros_like(used).scatter(1, shortest, local.line_of_sight[:, None])
    image_m = local.image_m[used]
    length_m = image_m.norm(dim=-1)
    paths = PackedPaths(
        link=link,
        power=local.power[used],
        length_m=length_m,
        departure=image_m / length_m[:, None],
        arrival=local.arrival[used],
        line_of_sight=direct[used],
    )
    boresight_rad = torch.tensor([point.yaw_rad for point in recipe.access_points], device=ap.device)[ap]

    def per_link(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(ap), device=ap.device).index_add(0, link, values.float())

    doppler_hz = (local.arrival[..., :2] * velocity_m_s[:, None]).sum(-1) / recipe.wavelength_m
    return complete_knowledge(static_knowledge(paths, per_link, boresight_rad), local.power, doppler_hz)
