"""The best of many policies on training seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from twin_envs.agents.core.policies import Array, Policy, State
from twin_envs.agents.core.rollout import play
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.faces.vector import TaskVectorEnv

BATCH = 128
"""Environments in a batch in which several candidates play side by side."""
_LEAST = 3
"""At least so many candidates, if there are, play all seeds."""
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Choice(Generic[Key]):
    """What did best.

    Attributes:
        best: the candidate.
        returns: mean return of each candidate over the episodes that it played [bit/s/Hz], the best first.
        episodes: how many that were: means over different numbers of episodes do not compare.
    """

    best: Key
    returns: dict[Key, float]
    episodes: dict[Key, int]


def choose(
    candidates: Mapping[Key, Policy],
    make: Callable[[int], TaskVectorEnv],
    seeds: Sequence[int],
    progress: Callable[[float], None] = lambda share: None,
) -> Choice[Key]:
    """The candidate with the best mean return over the episodes `seeds`.

    All play the first eighth of the seeds, and the better half of them goes on after an eighth, a quarter and a half
    of the seeds (successive halving: Jamieson and Talwalkar, "Non-stochastic best arm identification and
    hyperparameter optimization", 2016).

    Args:
        candidates: policies by any key.
        make: makes a batch of so many environments.
        seeds: of the episodes, the same ones for all candidates.
        progress: called with the share that is done.

    Raises:
        ConfigurationError: there are no candidates or no seeds.
    """
    if not candidates or not seeds:
        raise ConfigurationError(f"there must be candidates and seeds, got {len(candidates)} and {len(seeds)}")
    returns: dict[Key, list[float]] = {key: [] for key in candidates}
    left = list(candidates)
    edges = sorted({0, *(len(seeds) // parts for parts in (8, 4, 2, 1))})
    rounds = [list(seeds[low:high]) for low, high in itertools.pairwise(edges)]
    for number, played in enumerate(rounds):
        if number:
            left = sorted(left, key=lambda key: -np.mean(returns[key]))[: max(_LEAST, math.ceil(len(left) / 2))]
        size = max(1, BATCH // len(played))
        for first in range(0, len(left), size):
            progress((number + first / len(left)) / len(rounds))
            group = left[first : first + size]
            policy = _SideBySide([candidates[key] for key in group])
            run = play(policy, make(len(group) * len(played)), played * len(group))
            for key, earned in zip(group, run.returns.reshape(len(group), -1), strict=True):
                returns[key] += earned.tolist()
    progress(1.0)
    order = sorted(candidates, key=lambda key: (-len(returns[key]), -np.mean(returns[key])))
    return Choice(
        best=order[0],
        returns={key: float(np.mean(returns[key])) for key in order},
        episodes={key: len(returns[key]) for key in order},
    )


class _SideBySide:
    """Policies that decide for equal parts of a batch each."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = policies

    def attach(self, network: NetworkView) -> None:
        self._states: list[State] = [None] * len(self.policies)
        self._part = network.num_envs // len(self.policies)
        for policy in self.policies:
            policy.attach(network)

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        parts = []
        for index, policy in enumerate(self.policies):
            actions, self._states[index] = policy.predict(
                observation, self._states[index], episode_start, deterministic
            )
            parts.append(actions[index * self._part : (index + 1) * self._part])
        return np.concatenate(parts), None
