"""The algorithms of Stable-Baselines3 that train policies, and their hyperparameters."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy

from twin_envs.agents.core.policies import Policy
from twin_envs.agents.learning.dagger import Dagger
from twin_envs.agents.learning.shared import SharedPolicy, find_items
from twin_envs.agents.learning.teachers import find_teacher
from twin_envs.base.errors import ConfigurationError, check_choice, check_keys, check_number
from twin_envs.envs.core.training import REWARDS, Training
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.wrappers.learner_space import learner_space

_USUAL = Training()
_ANY = (spaces.Discrete, spaces.MultiDiscrete, spaces.Box)


@dataclass(frozen=True, kw_only=True)
class Configuration(ABC):
    """Hyperparameters that all algorithms have.

    Args:
        reward: what is learnt from, one of `REWARDS`.
        learning_rate: at the start; it falls linearly to zero.
        discount: per step.
        hidden: sizes of the hidden layers.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    algorithm: ClassVar[type[BaseAlgorithm]]
    network: ClassVar[type[BasePolicy]]
    action_spaces: ClassVar[tuple[type[spaces.Space[Any]], ...]]
    share_of_steps: ClassVar[float] = 1.0
    """Steps that it takes, of those that the environment's `Training` has for PPO."""

    learning_rate: float
    reward: str = _USUAL.reward
    discount: float = _USUAL.discount
    hidden: tuple[int, ...] = _USUAL.hidden

    def __post_init__(self) -> None:
        check_choice("reward", self.reward, REWARDS)
        check_number("learning_rate", self.learning_rate, 1e-8, 1.0)
        check_number("discount", self.discount, 0.0, 1.0)
        if not isinstance(self.hidden, tuple) or not self.hidden:
            raise ConfigurationError(f"hidden must be 1 size or more, got {self.hidden!r}")
        for index, size in enumerate(self.hidden):
            check_number(f"hidden[{index}]", size, 1, 4096, integer=True)

    def schedule(self) -> Callable[[float], float]:
        """The learning rate by the share of the training that remains."""
        return lambda remaining: self.learning_rate * remaining

    def with_teacher(self, env: str, envs: TaskVectorEnv) -> tuple[Self, Policy | None]:
        """The hyperparameters with the whole name of the teacher, and the teacher; None of algorithms without one.

        Args:
            env: name of the environment.
            envs: a batch of it.

        Raises:
            ConfigurationError: there is no such teacher.
        """
        return self, None

    @abstractmethod
    def arguments(self, num_envs: int) -> dict[str, Any]:
        """Arguments of the algorithm, beside those that all have, for `num_envs` environments."""

    def network_arguments(self) -> dict[str, Any]:
        """Arguments of the network."""
        return {"net_arch": list(self.hidden)}


@dataclass(frozen=True, kw_only=True)
class PpoConfiguration(Configuration):
    """Hyperparameters of PPO; `Training` says what each is, and has those of an environment."""

    algorithm: ClassVar[type[BaseAlgorithm]] = PPO
    network = ActorCriticPolicy
    action_spaces = _ANY

    learning_rate: float = _USUAL.learning_rate
    rollout_steps: int = _USUAL.rollout_steps
    batches: int = _USUAL.batches
    epochs: int = _USUAL.epochs
    gae_lambda: float = _USUAL.gae_lambda
    entropy: float = _USUAL.entropy
    clip: float = _USUAL.clip
    kl_limit: float = _USUAL.kl_limit
    deviation: float = _USUAL.deviation

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("rollout_steps", self.rollout_steps, 2, 100_000, integer=True)
        check_number("batches", self.batches, 1, 10_000, integer=True)
        check_number("epochs", self.epochs, 1, 100, integer=True)
        check_number("gae_lambda", self.gae_lambda, 0.0, 1.0)
        check_number("entropy", self.entropy, 0.0, 1.0)
        check_number("clip", self.clip, 0.01, 1.0)
        check_number("kl_limit", self.kl_limit, 1e-6, 100.0)
        check_number("deviation", self.deviation, 0.01, 10.0)

    def arguments(self, num_envs: int) -> dict[str, Any]:
        """How a rollout is learnt from. Raises `ConfigurationError` if it cannot be parted into equal batches."""
        rollout = self.rollout_steps * num_envs
        if rollout % self.batches:
            raise ConfigurationError(f"batches must divide rollout_steps x num_envs = {rollout}, got {self.batches}")
        return {
            "n_steps": self.rollout_steps,
            "batch_size": rollout // self.batches,
            "n_epochs": self.epochs,
            "gae_lambda": self.gae_lambda,
            "ent_coef": self.entropy,
            "clip_range": self.clip,
            "target_kl": self.kl_limit,
        }

    def network_arguments(self) -> dict[str, Any]:
        """Besides, how far actions in a Box are explored at first."""
        return {**super().network_arguments(), "log_std_init": math.log(self.deviation)}


@dataclass(frozen=True, kw_only=True)
class RecurrentPpoConfiguration(PpoConfiguration):
    """Hyperparameters of PPO with an LSTM before actor and critic.

    Args:
        memory: size of the LSTM's state.
    """

    algorithm = RecurrentPPO
    network = RecurrentActorCriticPolicy

    learning_rate: float = 1e-3
    memory: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("memory", self.memory, 1, 4096, integer=True)

    def network_arguments(self) -> dict[str, Any]:
        """Besides, the size of the memory."""
        return {**super().network_arguments(), "lstm_hidden_size": self.memory}


@dataclass(frozen=True, kw_only=True)
class DaggerConfiguration(Configuration):
    """Hyperparameters of DAgger (Ross, Gordon and Bagnell, 2011), with the network of PPO, which can go on from it.

    Args:
        teacher: whom it imitates; see `find_teacher`.
        mixture: share of the teacher's decisions that is carried out in a round, of that in the round before.
        rollout_steps: decisions in each environment in a round.
        updates: batches that the network is fitted to after each round.
        batch_steps: decisions in a batch.
        gae_lambda: of the returns that values are fitted to.
    """

    algorithm = Dagger
    network = ActorCriticPolicy
    action_spaces = _ANY
    share_of_steps = 0.25  # it is told what to do, and a teacher takes longer than the environment

    learning_rate: float = 3e-3
    teacher: str = ""
    mixture: float = 0.5
    rollout_steps: int = 40
    updates: int = 400
    batch_steps: int = 512
    gae_lambda: float = _USUAL.gae_lambda

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.teacher, str):
            raise ConfigurationError(f"teacher must be a name, got {self.teacher!r}")
        check_number("mixture", self.mixture, 0.0, 1.0)
        check_number("rollout_steps", self.rollout_steps, 2, 100_000, integer=True)
        check_number("updates", self.updates, 1, 100_000, integer=True)
        check_number("batch_steps", self.batch_steps, 1, 10**6, integer=True)
        check_number("gae_lambda", self.gae_lambda, 0.0, 1.0)

    def with_teacher(self, env: str, envs: TaskVectorEnv) -> tuple[Self, Policy | None]:
        """See `Configuration.with_teacher`."""
        name, teacher = find_teacher(self.teacher, env, envs)
        return dataclasses.replace(self, teacher=name), teacher

    def arguments(self, num_envs: int) -> dict[str, Any]:
        """How a round is learnt from."""
        return {
            "n_steps": self.rollout_steps,
            "gae_lambda": self.gae_lambda,
            "mixture": self.mixture,
            "updates": self.updates,
            "batch_size": self.batch_steps,
        }


@dataclass(frozen=True, kw_only=True)
class _ReplayConfiguration(Configuration):
    """Hyperparameters of algorithms that learn from a replay buffer.

    Args:
        buffer_steps: steps that the buffer holds, of all environments together.
        warmup_steps: random steps before learning begins.
        batch_steps: steps that an update learns from.
        updates: after each step of the batch of environments.
    """

    buffer_steps: int = 200_000
    warmup_steps: int = 10_000
    batch_steps: int = 512
    updates: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("buffer_steps", self.buffer_steps, 1, 10**8, integer=True)
        check_number("warmup_steps", self.warmup_steps, 0, 10**8, integer=True)
        check_number("batch_steps", self.batch_steps, 1, 10**6, integer=True)
        check_number("updates", self.updates, 1, 1000, integer=True)

    def arguments(self, num_envs: int) -> dict[str, Any]:
        """Those of the replay buffer."""
        return {
            "buffer_size": self.buffer_steps,
            "learning_starts": self.warmup_steps,
            "batch_size": self.batch_steps,
            "train_freq": 1,
            "gradient_steps": self.updates,
        }


@dataclass(frozen=True, kw_only=True)
class DqnConfiguration(_ReplayConfiguration):
    """Hyperparameters of DQN (Mnih et al., "Human-level control through deep reinforcement learning", 2015).

    Args:
        target_steps: steps after which the target network becomes the network.
        explored: share of the training over which random actions become rarer.
        exploration: share of random actions after that.
    """

    algorithm = DQN
    network = DQNPolicy
    action_spaces = (spaces.Discrete,)

    learning_rate: float = 1e-3
    target_steps: int = 10_000
    explored: float = 0.5
    exploration: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("target_steps", self.target_steps, 1, 10**8, integer=True)
        check_number("explored", self.explored, 0.0, 1.0)
        check_number("exploration", self.exploration, 0.0, 1.0)

    def arguments(self, num_envs: int) -> dict[str, Any]:
        """Besides, how the target network follows and how long actions are explored."""
        return {
            **super().arguments(num_envs),
            "target_update_interval": max(self.target_steps, num_envs),
            "exploration_fraction": self.explored,
            "exploration_final_eps": self.exploration,
        }


@dataclass(frozen=True, kw_only=True)
class SacConfiguration(_ReplayConfiguration):
    """Hyperparameters of SAC (Haarnoja et al., "Soft actor-critic algorithms and applications", 2018).

    Args:
        target_rate: share by which the target networks follow in each update.
    """

    algorithm = SAC
    network = SACPolicy
    action_spaces = (spaces.Box,)

    learning_rate: float = 1e-3
    target_rate: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("target_rate", self.target_rate, 1e-6, 1.0)

    def arguments(self, num_envs: int) -> dict[str, Any]:
        """Besides, how the target networks follow."""
        return {**super().arguments(num_envs), "tau": self.target_rate}


ALGORITHMS: dict[str, type[Configuration]] = {
    "ppo": PpoConfiguration,
    "dqn": DqnConfiguration,
    "sac": SacConfiguration,
    "recurrent_ppo": RecurrentPpoConfiguration,
    "dagger": DaggerConfiguration,
}
"""Hyperparameters of each algorithm by its name."""


def configure(algorithm: str, hyperparameters: dict[str, Any], training: Training = _USUAL) -> Configuration:
    """The configuration of an algorithm from plain data.

    Args:
        algorithm: its name.
        hyperparameters: by their names.
        training: of the environment; PPO has from there what is missing. Others have their defaults.

    Raises:
        ConfigurationError: no such algorithm, or a hyperparameter is unknown or outside its range.
    """
    check_choice("algo", algorithm, ALGORITHMS)
    kind = ALGORITHMS[algorithm]
    names = [field.name for field in dataclasses.fields(kind)]
    check_keys("hyperparameters", hyperparameters, names)
    hidden = hyperparameters.get("hidden")
    given = hyperparameters | ({"hidden": tuple(hidden)} if isinstance(hidden, list) else {})
    usual = {name: getattr(training, name) for name in names} if kind is PpoConfiguration else {}
    return kind(**usual | given)


def usual_steps(configuration: Configuration, training: Training) -> int:
    """How many decisions an environment is learnt in, unless it is said."""
    return round(training.steps * configuration.share_of_steps)


def name_of(configuration: Configuration) -> str:
    """Name of the algorithm that a configuration is for."""
    return next(name for name, kind in ALGORITHMS.items() if kind is type(configuration))


def check_space(algorithm: str, space: spaces.Space[Any]) -> None:
    """Raise `ConfigurationError`, naming the algorithms that fit, unless `algorithm` can act in `space`."""
    fitting = [name for name, kind in ALGORITHMS.items() if isinstance(space, kind.action_spaces)]
    if algorithm not in fitting:
        raise ConfigurationError(f"algo must be one of {fitting}, which can act in {space}, got {algorithm!r}")


def new_network(
    configuration: Configuration, size: int, items: Sequence[str | None], action_space: spaces.Space[Any]
) -> BasePolicy:
    """A network with fresh weights for observations of `size` numbers, each about one of `items` or about none.

    It decides and does not learn. No global generator is left changed.
    """
    observation_space = spaces.Box(0.0, 1.0, (size,), np.float32)
    network, arguments = _network(configuration, items, action_space)
    with torch.random.fork_rng(devices=[]):
        return network(
            observation_space, learner_space(action_space), lambda _: 0.0, **arguments, optimizer_class=_NoOptimizer
        )


class _NoOptimizer:
    """In the place of an optimizer, the first of which makes torch import its compiler: that takes seconds."""

    def __init__(self, parameters: Iterable[torch.Tensor], **settings: Any) -> None:
        pass


def new_model(configuration: Configuration, venv: VecEnv, items: Sequence[str | None], seed: int) -> BaseAlgorithm:
    """The algorithm, ready to learn in the `VecEnv` `venv`; `items`: what each number of an observation is about.

    It draws from the global generators, which it seeds.
    """
    network, arguments = _network(configuration, items, venv.action_space)
    make: Callable[..., BaseAlgorithm] = configuration.algorithm  # each takes arguments of its own
    model = make(
        network,
        venv,
        learning_rate=configuration.schedule(),
        gamma=configuration.discount,
        policy_kwargs=arguments,
        seed=seed % 2**32,  # more than that NumPy's global generator does not take
        device="cpu",
        **configuration.arguments(venv.num_envs),
    )
    venv.seed(seed)
    return model


def _network(
    configuration: Configuration, items: Sequence[str | None], action_space: spaces.Space[Any]
) -> tuple[type[BasePolicy], dict[str, Any]]:
    """The network's class and arguments: PPO's is shared by the items if the observation and the action have any."""
    arguments = configuration.network_arguments()
    shared = find_items(items, action_space) if configuration.network is ActorCriticPolicy else None
    return (SharedPolicy, arguments | {"items": shared}) if shared else (configuration.network, arguments)
