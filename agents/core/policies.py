"""What every policy can do, and the two that look at nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Any, Protocol, runtime_checkable

import numpy as np

from twin_envs.agents.core.environments import num_actions
from twin_envs.agents.core.oracle import Oracle
from twin_envs.base.errors import check_number
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.faces.vector import TaskVectorEnv

Array = np.ndarray[Any, Any]
State = tuple[Array, ...] | None
"""What a policy remembers from step to step, as in Stable-Baselines3; None for those that remember nothing."""


class Policy(Protocol):
    """Decides for N environments at once; `predict` has the signature of Stable-Baselines3."""

    def attach(self, network: NetworkView) -> None:
        """Called once before a rollout, after which `predict` gets the observations of these environments.

        A policy that needs more than the observations reads the network's view, which holds nothing of reality. Only an
        `Oracle` is shown more.
        """

    def predict(
        self,
        observation: Array,
        state: State = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, State]:
        """Actions [N, ...] for observations float32 [N, D], and the state to hand to the next call.

        `episode_start`, bool [N], says in which environments a new episode begins. `deterministic=False` lets a
        stochastic policy draw its actions.
        """


@runtime_checkable
class Weighs(Protocol):
    """A policy that says what its decisions are worth, so that a learner may imitate most carefully where most is at
    stake."""

    def stakes(self) -> Array:
        """By how much what `predict` decided last is better than the best that it decided against, 0 or more [N]."""


def attach(policy: Policy, envs: TaskVectorEnv) -> None:
    """Attach a policy to what the network knows of `envs`, and show reality to an `Oracle`."""
    if isinstance(policy, Oracle):
        policy.reveal(envs)
    policy.attach(envs.network)


class ViewPolicy(ABC):
    """The base of policies that go by the network's view: `act` says what they do, deterministic or not.

    They hand no state from call to call. What such a policy remembers it keeps by environment, and forgets where the
    view says that a new episode has begun (`NewEpisodes`).
    """

    @abstractmethod
    def attach(self, network: NetworkView) -> None:
        """See `Policy.attach`."""

    def predict(
        self,
        observation: Array,
        state: State = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, State]:
        """The actions of `act`. The other arguments are not needed: where an episode begins the view says."""
        return self.act(observation), None

    @abstractmethod
    def act(self, observation: Array) -> Array:
        """Actions [N, ...] for observations float32 [N, D]."""


class RandomPolicy(ViewPolicy):
    """Every action with the same probability.

    Args:
        seed: of the actions; each rollout begins with the same ones.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def attach(self, network: NetworkView) -> None:
        """Draw from the actions of these environments, from the seed on."""
        self._space = copy(network.action_space)
        self._space.seed(self.seed)

    def act(self, observation: Array) -> Array:
        """An action drawn for each of N, be `predict` asked for deterministic ones or not."""
        return np.array([self._space.sample() for _ in observation])


class FixedPolicy(ViewPolicy):
    """Always the same action.

    Args:
        action: which, as an index into the environment's actions.
    """

    def __init__(self, action: int) -> None:
        self.action = action

    def attach(self, network: NetworkView) -> None:
        """Act in these environments. Raises `ConfigurationError` if they have no such action."""
        check_number("action", self.action, 0, num_actions(network.action_space) - 1, integer=True)

    def act(self, observation: Array) -> Array:
        """The action, N times."""
        return np.full(len(observation), self.action, np.int64)
