"""How well a policy decides, in one call.

import twin_envs

mine = twin_envs.evaluate(my_policy, "twin_envs/FeedbackInterval-v1", seeds=16)
other = twin_envs.evaluate(other_policy, "twin_envs/FeedbackInterval-v1", seeds=16)
print(mine.mean, mine.low, mine.high)
print(mine.against(other))  # on the same episodes
print(mine.against("doppler"))  # with what a rule of ours earned in them, where that is stored
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array, Policy, State, ViewPolicy
from twin_envs.agents.core.registry import policies
from twin_envs.agents.core.rollout import play
from twin_envs.agents.core.stored import stored_returns
from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.registry import specification

MOST_AT_ONCE = 256
"""Episodes that are played side by side."""
_SEED = 0
"""Of the resampling behind intervals."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Returns of a policy in some episodes.

    Attributes:
        env: id of the environment.
        options: of the environment.
        site: digest of the site's files.
        seeds: of the episodes, int64 [N].
        returns: net spectral efficiency of each [bit/s/Hz], float64 [N].
    """

    env: str
    options: Mapping[str, Any] = field(default_factory=dict)
    site: str
    seeds: Array
    returns: Array

    @property
    def mean(self) -> float:
        """Mean return [bit/s/Hz]."""
        return float(self.returns.mean())

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the mean [bit/s/Hz]."""
        return self._interval["low"]

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the mean [bit/s/Hz]."""
        return self._interval["high"]

    @cached_property
    def _interval(self) -> dict[str, float]:
        return interval(self.returns, np.random.default_rng(_SEED))

    def against(self, other: Evaluation | str) -> dict[str, float]:
        """Mean difference to `other` on the same episodes and its 95 % interval: `{"mean", "low", "high"}` [bit/s/Hz].

        Args:
            other: another evaluation; or the name of a policy of ours, such as `best-fixed`, whose returns are stored:
                those of the first evaluation seeds, with the default options.

        Raises:
            ConfigurationError: the environments, their versions, options, sites or seeds differ, or nothing is stored
                of a policy of that name.
        """
        if isinstance(other, str):
            theirs = stored_returns(other, env=self.env, site=self.site, options=self.options, seeds=self.seeds)
            return paired_difference(self.returns, theirs, np.random.default_rng(_SEED))
        for name in ("env", "options", "site"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                raise ConfigurationError(f"{name} of both evaluations must be equal, got {mine!r} and {its!r}")
        if not np.array_equal(self.seeds, other.seeds):
            raise ConfigurationError(f"seeds of both evaluations must be equal, got {self.seeds} and {other.seeds}")
        return paired_difference(self.returns, other.returns, np.random.default_rng(_SEED))

    def __str__(self) -> str:
        return f"{self.env}: {self.mean:.3f} bit/s/Hz ({self.low:.3f} to {self.high:.3f}), {len(self.seeds)} episodes"


def evaluate(
    policy: Any,
    env: str,
    *,
    seeds: int | Sequence[int] = 96,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Evaluation:
    """Play one episode for each seed, and tell what a policy earns.

    Episodes are those of the world that the option `world` names, reality by default. Nothing should be trained or
    chosen on evaluation seeds: `twin_envs.base.seeds` parts them from those for training.

    Args:
        policy: a `Policy`; anything with `predict` as Stable-Baselines3 has it; a function from observations float32
            [N, D] to actions [N, ...]; the name of one of `twin_envs.policies`; or `"module:object"`, a class or one of
            these.
        env: id of an environment that is registered with twin-envs, or the short name of one of ours.
        seeds: of the episodes, or how many of the evaluation seeds; 2 or more.
        options: of the environment.
        progress: called with the share that is done.

    Raises:
        ConfigurationError: there is no such environment or policy, an option is out of range, or the policy gives
            actions of another shape.
        SiteError: the site is missing or damaged.
    """
    spec, options = specification(env), dict(options or {})
    if isinstance(seeds, int):
        check_number("seeds", seeds, 2, integer=True)
        seeds = evaluation_seeds(0, seeds)
    chosen, returns = as_policy(policy), []
    numbers = [int(seed) for seed in seeds]
    check_number("how many seeds", len(numbers), 2, integer=True)
    for first in range(0, len(numbers), MOST_AT_ONCE):
        some = numbers[first : first + MOST_AT_ONCE]
        envs = make_envs(spec.id, len(some), **options)
        played = play(chosen, envs, some, partial(_tell, progress, first, len(numbers)))
        returns.append(played.returns)
    return Evaluation(
        env=spec.id,
        options=options,
        site=envs.core.site.manifest["digest"],
        seeds=np.array(numbers),
        returns=np.concatenate(returns),
    )


def _tell(progress: Callable[[float], None], first: int, count: int, share: float) -> None:
    progress((first + share) / count)


def as_policy(policy: Any) -> Policy:
    """What `evaluate` is given, as a `Policy`. Raises `ConfigurationError` if it is none."""
    if isinstance(policy, str):
        found: Any = policies.get(policy)
        policy = found() if isinstance(found, type) else found  # a class, a policy or a function of observations
    if hasattr(policy, "predict"):
        return policy if hasattr(policy, "attach") else _Predicting(policy)
    if callable(policy):
        return _Function(policy)
    raise ConfigurationError(
        f"policy must have predict(observation, state, episode_start, deterministic), be a function from observations "
        f"to actions, or a name, got {policy!r}"
    )


class _Predicting:
    """Whatever has `predict` as Stable-Baselines3 has it."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def attach(self, network: NetworkView) -> None:
        """Observations are all that it needs."""

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        """What the model predicts."""
        actions, state = self._model.predict(
            observation, state=state, episode_start=episode_start, deterministic=deterministic
        )
        return np.asarray(actions), state


class _Function(ViewPolicy):
    """A function from observations to actions."""

    def __init__(self, function: Callable[[Array], Any]) -> None:
        self._function = function

    def attach(self, network: NetworkView) -> None:
        """Observations are all that it needs."""

    def act(self, observation: Array) -> Array:
        """What the function gives."""
        return np.asarray(self._function(observation))
