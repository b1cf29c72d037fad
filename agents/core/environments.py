"""The batches of environments that policies are trained and evaluated in."""

from __future__ import annotations

from typing import Any

import gymnasium

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.registry import load_object
from twin_envs.envs.core.training import Training
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import specification


def make_envs(env: str, num_envs: int, **options: Any) -> TaskVectorEnv:
    """A batch of `num_envs` environments.

    Args:
        env: id of an environment that is registered with twin-envs, or the short name of one of ours.
        num_envs: how many.
        options: of the environment.

    Raises:
        ConfigurationError: no such environment, or an option is unknown or outside its range.
        SiteError: the site is missing or damaged.
    """
    spec = specification(env)
    envs = gymnasium.make_vec(spec.id, num_envs=num_envs, vectorization_mode="vector_entry_point", **options).unwrapped
    if not isinstance(envs, TaskVectorEnv):
        raise ConfigurationError(f"the batch of {spec.id} must be a TaskVectorEnv, got {type(envs).__name__}")
    return envs


def training_of(env: str) -> Training:
    """How an environment is learnt. Raises `ConfigurationError` if there is none of that name."""
    training: Training = load_object("task", specification(env).task).training
    return training


def num_actions(space: gymnasium.Space[Any]) -> int:
    """How many actions there are to choose from. Raises `ConfigurationError` if they cannot be counted."""
    if not isinstance(space, gymnasium.spaces.Discrete):
        raise ConfigurationError(f"the action space must be Discrete, got {space}")
    return int(space.n)
