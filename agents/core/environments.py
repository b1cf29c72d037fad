"""The batches of environments that policies are trained and evaluated in."""

from __future__ import annotations

from typing import Any

import gymnasium

from twin_envs.base.errors import ConfigurationError, TwinEnvsError, check_choice
from twin_envs.envs.core.training import Training
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.registration import ENVIRONMENTS


def make_envs(env: str, num_envs: int, **options: Any) -> TaskVectorEnv:
    """A batch of `num_envs` environments `twin_envs/{env}-v0` with the given options.

    Raises:
        ConfigurationError: no such environment, or an option is unknown or outside its range.
        SiteError: the site is missing or damaged.
    """
    check_choice("env", env, ENVIRONMENTS)
    envs = gymnasium.make_vec(
        f"twin_envs/{env}-v0", num_envs=num_envs, vectorization_mode="vector_entry_point", **options
    ).unwrapped
    if not isinstance(envs, TaskVectorEnv):
        raise TwinEnvsError(f"twin_envs/{env}-v0 must be registered with a TaskVectorEnv, got {type(envs).__name__}")
    return envs


def training_of(env: str) -> Training:
    """How the environment `env` is learnt. Raises `ConfigurationError` if there is none of that name."""
    check_choice("env", env, ENVIRONMENTS)
    entry = gymnasium.envs.registration.load_env_creator(str(gymnasium.spec(f"twin_envs/{env}-v0").vector_entry_point))
    training: Training = entry.task_type.training  # type: ignore[attr-defined]
    return training


def num_actions(space: gymnasium.Space[Any]) -> int:
    """How many actions there are to choose from. Raises `ConfigurationError` if they cannot be counted."""
    if not isinstance(space, gymnasium.spaces.Discrete):
        raise ConfigurationError(f"the action space must be Discrete, got {space}")
    return int(space.n)
