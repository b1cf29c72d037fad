"""What is calibrated, and how the power of traced paths goes with it: differentiable, and without a ray tracer."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import db_to_linear
from twin_envs.twin.map.element import tr38901_db
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.recipe import SiteRecipe


@dataclass(frozen=True, kw_only=True)
class Constants(Constant):
    """What is unlike what was traced.

    Attributes:
        reflection_db: by how much more power each reflection leaves.
        scattering_db: by how much more power scattered waves have; 20 log10 of the ratio of scattering coefficients.
        yaw_rad: by how much each AP looks elsewhere [A].
    """

    reflection_db: torch.Tensor
    scattering_db: torch.Tensor
    yaw_rad: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class PathModel(Constant):
    """K paths of an atlas, as constants change their power.

    Attributes:
        ap: of each path, int64 [K].
        departure: directions at the AP, float32 [K, 3].
        reflections: how often it is reflected, float32 [K]; 0 of scattered paths.
        scattered: bool [K].
        yaw_rad, downtilt_rad: of each AP as traced [A].
        patterned: whether the APs' elements have the pattern of TR 38.901; others are alike in all azimuths.
    """

    ap: torch.Tensor
    departure: torch.Tensor
    reflections: torch.Tensor
    scattered: torch.Tensor
    yaw_rad: torch.Tensor
    downtilt_rad: torch.Tensor
    patterned: bool

    def power(self, constants: Constants) -> torch.Tensor:
        """By what the power of each path is multiplied, [K]; differentiable by the constants."""
        more_db = constants.reflection_db * self.reflections + constants.scattering_db * self.scattered
        if self.patterned:
            more_db = more_db + self._element_db(constants.yaw_rad) - self._element_db(torch.zeros_like(self.yaw_rad))
        return db_to_linear(more_db)

    def of(self, which: torch.Tensor) -> PathModel:
        """Of some paths, an index."""
        own = {name: vars(self)[name][which] for name in ("ap", "departure", "reflections", "scattered")}
        return PathModel(**{**vars(self), **own})

    def _element_db(self, turned_rad: torch.Tensor) -> torch.Tensor:
        return tr38901_db(self.departure, (self.yaw_rad + turned_rad)[self.ap], self.downtilt_rad[self.ap])


def path_model(atlas: Atlas, recipe: SiteRecipe) -> PathModel:
    """All paths of an atlas of the site."""
    interactions = atlas.interactions()
    aps = recipe.access_points
    return PathModel(
        ap=interactions.ap,
        departure=interactions.departure,
        reflections=interactions.reflections,
        scattered=interactions.scattered,
        yaw_rad=torch.tensor([ap.yaw_rad for ap in aps], device=atlas.device),
        downtilt_rad=torch.tensor([ap.downtilt_rad for ap in aps], device=atlas.device),
        patterned=recipe.array.pattern == "tr38901",
    )
