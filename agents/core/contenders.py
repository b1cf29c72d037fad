"""Who competes in an environment: policies that are ready, and rules whose constants are still to be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from twin_envs.agents.core.environments import make_envs, num_actions
from twin_envs.agents.core.policies import FixedPolicy, Policy
from twin_envs.base.registry import load_object
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import specification

Constant = float | str
"""A constant of a rule, or a name for several."""
TRAINED: dict[str, dict[str, Any]] = {"ppo": {}, "ppo-raw": {"reward": "raw", "discount": 0.99}}
"""What PPO trains in the twin, by name, and which hyperparameters are other than in the environment's `Training`: from
the rewards as they are, with the discount that libraries have by default."""


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """Policies of one environment; random and trained ones come on top.

    Attributes:
        fixed: every fixed choice by its name; the best on training seeds becomes `best-fixed`.
        tuned: rules by name, each with its candidates by constant; the best on training seeds competes.
        ready: policies without a constant by name, `oracle` among them.
        reference: name of the rule that practitioners would use; twin policies are measured against it.
    """

    fixed: Mapping[str, Policy]
    tuned: Mapping[str, Mapping[Constant, Policy]]
    ready: Mapping[str, Policy]
    reference: str = "best-fixed"

    @property
    def twins(self) -> list[str]:
        """Names of the policies that know the twin: those that begin with `twin`."""
        return [name for name in (*self.tuned, *self.ready) if name.startswith("twin")]


def contenders(env: str, envs: TaskVectorEnv | None = None) -> Contenders:
    """The contenders of an environment: those that its specification names, or else its fixed choices alone.

    Args:
        env: its id, or its short name.
        envs: a batch of it; by default one of its default site.

    Raises:
        ConfigurationError: there is no such environment, or it has neither contenders nor actions to count.
    """
    spec, batch = specification(env), _usual(env) if envs is None else envs
    if spec.contenders is None:
        fixed = {f"fixed-{action}": FixedPolicy(action) for action in range(num_actions(batch.single_action_space))}
        return Contenders(fixed=fixed, tuned={}, ready={})
    found: Contenders = load_object("contenders", spec.contenders)(batch.network)
    return replace(found, ready={**_learned(batch), **found.ready})


def _learned(batch: TaskVectorEnv) -> dict[str, Policy]:
    """The trained policy that ships, where there is one that fits, and what it was trained with is installed."""
    try:
        from twin_envs.agents.learning.shipped import NAME, contender
    except ImportError:  # Stable-Baselines3 comes with the extra `agents`
        return {}
    learned = contender(batch.network)
    return {} if learned is None else {NAME: learned}


@lru_cache(maxsize=16)
def _usual(env: str) -> TaskVectorEnv:
    """One environment with the usual options, of which only what never changes is read."""
    return make_envs(env, 1)
