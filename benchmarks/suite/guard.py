"""A policy under guard: whatever it does wrong is told as its own fault, not as that of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import Array, Policy, State
from twin_envs.base.errors import TwinEnvsError
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.faces.actions import checked_action
from twin_envs.envs.faces.vector import TaskVectorEnv

_LONGEST = 300
"""Characters of another's error that are told."""


class PolicyFailed(TwinEnvsError):
    """A policy raised, or gave what is no action; the message says what."""


@contextmanager
def blaming(where: str) -> Iterator[None]:
    """Whatever is raised within is the policy's failure."""
    try:
        yield
    except (Exception, SystemExit) as error:  # whatever somebody's code raises
        text = " ".join(str(error).split())[:_LONGEST]
        raise PolicyFailed(f"{where} raised {type(error).__name__}: {text}") from error


class Guard(Oracle):
    """Hands everything on to a policy, and raises `PolicyFailed` where that goes wrong.

    Args:
        policy: whose. It is shown reality only if it is an `Oracle`.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def reveal(self, envs: TaskVectorEnv) -> None:
        """See `Oracle.reveal`."""
        if isinstance(self._policy, Oracle):
            with blaming("reveal"):
                self._policy.reveal(envs)

    def attach(self, network: NetworkView) -> None:
        """See `Policy.attach`."""
        self._space = network.action_space
        with blaming("attach"):
            self._policy.attach(network)

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        """The policy's answer, once it is known to be actions of the space."""
        with blaming("predict"):
            answer: Any = self._policy.predict(observation, state, episode_start, deterministic)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise PolicyFailed(f"predict must return actions and a state, returned {_short(answer)}")
        actions, after = answer
        return _checked(self._space, actions, len(observation)), after


def _checked(space: gymnasium.Space[Any], actions: Any, count: int) -> Array:
    try:
        given = np.asarray(actions)
    except ValueError as error:
        raise PolicyFailed(f"predict returned no array of actions: {error}") from None
    expected = (count, *(space.shape or ()))
    if given.shape != expected:
        raise PolicyFailed(f"actions must be of shape {expected}, got {given.shape}")
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise PolicyFailed("actions must be finite, got NaN or infinity")
    for action in given:
        try:
            checked_action(space, action)
        except gymnasium.error.InvalidAction:
            raise PolicyFailed(f"actions must be in {space}, got {_short(action)}") from None
    return given


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
