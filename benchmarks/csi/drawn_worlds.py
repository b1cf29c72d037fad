"""Worlds that a twin may be wrong about, made of the twin alone.

Nothing of reality is looked at. What it may be like is drawn: access points are turned, some walls reflect nothing,
others more or less, and what walls scatter, which the twin that is asked does not have, may be as strong as anything.
"""

from __future__ import annotations

import math

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.store.site import Site, scattering_command

WORLD = "twin"
YAW_STD_RAD = math.radians(2)
LOST = 0.25
"""Share of what leaves an access point in one direction and is reflected alike that is not there."""
POWER_STD_DB = 4.0
SCATTERED_DB = 20.0
"""What is scattered is stronger by up to so much."""
_SECTORS = 48
"""Directions from an access point that are changed alike."""


def gapped(site: Site, generator: torch.Generator) -> Atlas:
    """A world whose twin is `WORLD`, with a gap of its own.

    Raises:
        ConfigurationError: what walls scatter was not traced at the site.
    """
    atlas = site.scattering_twin(WORLD)
    if atlas is None:
        raise ConfigurationError(
            f"site must have what walls scatter; {site.recipe.name!r} has not; trace it with: "
            f"{scattering_command(site.asked_for, WORLD)}"
        )
    met = atlas.interactions()
    azimuth = torch.atan2(met.departure[:, 1], met.departure[:, 0]) / (2 * math.pi) + 0.5
    sector = (azimuth * _SECTORS).long().clamp(0, _SECTORS - 1)
    kind = torch.where(met.scattered, 3, met.reflections.long())
    group = (met.ap * _SECTORS + sector) * 4 + kind
    groups = len(atlas.gain) * _SECTORS * 4

    def drawn(draw: torch.Tensor) -> torch.Tensor:
        return draw.to(atlas.device)[group]

    change_db = drawn(POWER_STD_DB * torch.randn(groups, generator=generator))
    stronger_db = drawn(SCATTERED_DB * torch.rand(groups, generator=generator))
    lost = drawn(torch.rand(groups, generator=generator) < LOST)
    power = 10 ** (change_db / 10)
    power = torch.where(met.scattered, 10 ** ((change_db + stronger_db) / 10), torch.where(lost, 0.0, power))
    yaw_rad = YAW_STD_RAD * torch.randn(len(atlas.gain), generator=generator)
    return atlas.changed(power, yaw_rad.to(atlas.device))
