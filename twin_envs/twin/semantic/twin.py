"""The channel twin by environment semantics: a law of what the map says of a link, and what was measured beside it."""

from __future__ import annotations

from functools import partial

import torch

from twin_envs.twin.interpolated.heard import near_by_or_likely
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.twin import InterpolatedTwin
from twin_envs.twin.profiled import ProfiledTwin, profiled
from twin_envs.twin.semantic.knowledge_store import EnvironmentFeatures, environment_features
from twin_envs.twin.semantic.law import fit_semantic_law
from twin_envs.world.store.site import Site


def semantic_twin(site: Site, world: str, device: torch.device) -> ProfiledTwin:
    """A law of the map's terms, and kriging of the residuals; `world` is of no use to it: all have one map."""
    return profiled(twin_of_environment(environment_features(site)), site)


def twin_of_environment(store: EnvironmentFeatures) -> InterpolatedTwin:
    """The same by the features of any map, its knowledge alone."""
    return InterpolatedTwin(store.geometry, partial(fit_semantic_law, store), Kriging, near_by_or_likely)
