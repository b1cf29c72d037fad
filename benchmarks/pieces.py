"""The pieces that a comparison is made of: contenders, each from the choice of its constant, or its training, to the
last evaluation episode. A piece is the work of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.evaluation import as_policy
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.rollout import Episodes, play
from twin_envs.agents.core.tuning import Choice, choose
from twin_envs.agents.learning.saving import PolicyCard, load_policy
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.benchmarks.suite.engine import Tell
from twin_envs.benchmarks.suite.figures import SEEN
from twin_envs.envs.faces.vector import TaskVectorEnv

Training = Callable[[Tell], tuple[SB3Policy, PolicyCard]]
"""Trains a policy; told how to say which share of that is done."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where contenders are compared, and in which episodes.

    Args:
        env: name of the environment.
        options: of the environment.
        seed: chooses the training and evaluation seeds.
        episodes: of the evaluation.
        training_episodes: in which constants are chosen.
    """

    env: str
    options: dict[str, Any]
    seed: int
    episodes: int
    training_episodes: int

    @property
    def evaluation_seeds(self) -> range:
        """Of the episodes in which contenders are compared."""
        return evaluation_seeds(self.seed, self.episodes)

    @property
    def training_seeds(self) -> range:
        """Of the episodes in which constants are chosen."""
        return training_seeds(self.seed, self.training_episodes)

    def envs(self, num_envs: int) -> TaskVectorEnv:
        """A batch of environments."""
        return make_envs(self.env, num_envs, **self.options)

    def evaluate(self, policies: Mapping[str, Policy], tell: Tell) -> dict[str, Episodes]:
        """The evaluation episodes of each policy."""
        seeds, runs = self.evaluation_seeds, {}
        envs = self.envs(len(seeds))
        for number, (name, policy) in enumerate(policies.items()):
            runs[name] = play(policy, envs, seeds, _part(tell, number, len(policies)), keep=SEEN)
        return runs


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a piece.

    Attributes:
        runs: evaluation episodes by contender.
        choice: which constant was chosen, where one was.
        training_return: mean over the training episodes [bit/s/Hz], where they were played.
        card: of a policy that was trained.
    """

    runs: dict[str, Episodes] = field(default_factory=dict)
    choice: Choice[Any] | None = None
    training_return: float | None = None
    card: PolicyCard | None = None


def fixed(place: Place, candidates: Mapping[str, Policy], shown: int, tell: Tell) -> Played:
    """The `shown` fixed choices that are best in the training episodes, by their names."""
    choice = choose(candidates, place.envs, place.training_seeds, _part(tell, 0, 2))
    best = list(choice.returns)[:shown]
    runs = place.evaluate({name: policy for name, policy in candidates.items() if name in best}, _part(tell, 1, 2))
    return Played(runs=runs, choice=choice)


def tuned(place: Place, name: str, candidates: Mapping[Any, Policy], tell: Tell) -> Played:
    """A rule, with the constant that is best in the training episodes."""
    choice = choose(candidates, place.envs, place.training_seeds, _part(tell, 0, 2))
    runs = place.evaluate({name: candidates[choice.best]}, _part(tell, 1, 2))
    return Played(runs=runs, choice=choice, training_return=choice.returns[choice.best])


def ready(place: Place, name: str, policy: Policy | str, in_training: bool, tell: Tell) -> Played:
    """A policy without a constant, given itself or by its name; its training episodes, too, if `in_training`."""
    policy = as_policy(policy)
    if not in_training:
        return Played(runs=place.evaluate({name: policy}, tell))
    choice = choose({name: policy}, place.envs, place.training_seeds, _part(tell, 0, 2))
    return Played(runs=place.evaluate({name: policy}, _part(tell, 1, 2)), training_return=choice.returns[name])


def trained(place: Place, name: str, training: Training, tell: Tell) -> Played:
    """A policy that is trained first."""
    policy, card = training(_part(tell, 0, 2))
    return Played(runs=place.evaluate({name: policy}, _part(tell, 1, 2)), card=card)


def read(folder: Path, tell: Tell) -> tuple[SB3Policy, PolicyCard]:
    """A training that was done before: its policy is in `folder`."""
    return load_policy(folder)


def _part(tell: Tell, number: int, count: int) -> Tell:
    """What is told of the part `number` of `count` equal ones."""
    return lambda share: tell((number + share) / count)
