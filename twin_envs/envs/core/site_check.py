"""Whether a site's arrays suit an environment, told before anything else about the site is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.world.recipe import SiteRecipe


def check_array(config: EnvironmentConfig, recipe: SiteRecipe, antennas: Sequence[int], use: str) -> None:
    """Raise `ConfigurationError`, naming a site that suits, unless the arrays of the site have one of these sizes.

    Args:
        config: the options; the default of its `site` suits.
        recipe: of the site that was asked for.
        antennas: how many antennas an array may have, a range or a list.
        use: what the antennas are to the environment, such as "each a port of CSI-RS".
    """
    if _antennas(recipe) in antennas:
        return
    if isinstance(antennas, range):
        allowed = f"{antennas[0]} to {antennas[-1]}"
    else:
        allowed = f"{', '.join(map(str, antennas[:-1]))} or {antennas[-1]}"
    raise ConfigurationError(
        f"site must have arrays of {allowed} antennas, {use}, got {config.site!r} with {_array(recipe)}; "
        f"use a site such as {_suitable(config)!r}"
    )


def check_served_at_once(config: EnvironmentConfig, recipe: SiteRecipe) -> None:
    """Raise `ConfigurationError` if there are more UEs than an AP has antennas to tell them apart by."""
    if config.num_ue > _antennas(recipe):
        raise ConfigurationError(
            f"num_ue must be at most {_antennas(recipe)}, got {config.num_ue!r}: APs of site {config.site!r} have "
            f"arrays of {_array(recipe)} and serve all UEs at once; choose fewer UEs or a site such as "
            f"{_suitable(config)!r}"
        )


def _suitable(config: EnvironmentConfig) -> str:
    """The environment's default site."""
    return str(next(field.default for field in fields(config) if field.name == "site"))


def _antennas(recipe: SiteRecipe) -> int:
    return recipe.array.rows * recipe.array.columns


def _array(recipe: SiteRecipe) -> str:
    return f"{recipe.array.rows} x {recipe.array.columns} = {_antennas(recipe)} antennas"
