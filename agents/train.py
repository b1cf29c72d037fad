"""Training: `python -m agents.train --env FeedbackInterval --world twin --steps 240000 --out runs/ppo`."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecMonitor

from agents.commands import parse_json_object, run_command
from agents.environments import make_envs, num_actions
from agents.saving import PolicyCard, code_version, save_policy
from agents.sb3 import RelativeReward, SB3Policy, SB3VecEnv
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.errors import ConfigurationError, check_choice, check_number

CURVE_EPISODES, CURVE_POINTS = 32, 9
"""Episodes over which a point of the learning curve is the mean, the same ones for all points; and how many points."""
_CURVE_SEED = 9000
"""Seeds of these episodes are from this far above the training's on."""


@dataclass(frozen=True, kw_only=True)
class PpoConfiguration:
    """Hyperparameters of PPO.

    The reward is the whole cell's and the action one UE's, so its effect drowns in the reward's noise: batches are
    large. It shows until that UE reports again, some ten to thirty steps later, and the observations in between are
    about other UEs, so the critic cannot tell: the advantages look that far ahead. Long periods are bad for most UEs
    and good for those that stand still; the entropy bonus keeps them in play until the policy can tell these apart.

    Args:
        rollout_steps: steps in each environment between two updates.
        batches: in an epoch.
        epochs: of each update.
        learning_rate: at the start; it falls linearly to zero.
        discount: per step.
        gae_lambda: bias against variance of the advantages (Schulman et al., 2016).
        entropy: weight of the entropy bonus.
        clip: of the policy's ratio.
        kl_limit: an update ends early when the policy has moved by 1.5 times this KL divergence.
        hidden: sizes of the hidden layers of actor and critic.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    rollout_steps: int = 64
    batches: int = 4
    epochs: int = 10
    learning_rate: float = 3e-3
    discount: float = 0.95
    gae_lambda: float = 0.95
    entropy: float = 0.05
    clip: float = 0.2
    kl_limit: float = 0.1
    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        check_number("rollout_steps", self.rollout_steps, 2, 100_000, integer=True)
        check_number("batches", self.batches, 1, 10_000, integer=True)
        check_number("epochs", self.epochs, 1, 100, integer=True)
        check_number("learning_rate", self.learning_rate, 1e-8, 1.0)
        check_number("discount", self.discount, 0.0, 1.0)
        check_number("gae_lambda", self.gae_lambda, 0.0, 1.0)
        check_number("entropy", self.entropy, 0.0, 1.0)
        check_number("clip", self.clip, 0.01, 1.0)
        check_number("kl_limit", self.kl_limit, 1e-6, 100.0)


def train_ppo(
    env: str,
    *,
    world: str,
    steps: int,
    seed: int,
    num_envs: int = 128,
    options: dict[str, Any] | None = None,
    configuration: PpoConfiguration | None = None,
    progress: Callable[[int, float], None] = lambda steps, mean_return: None,
) -> tuple[SB3Policy, PolicyCard]:
    """Train a policy by PPO (Schulman et al., "Proximal policy optimization algorithms", 2017).

    Args:
        env: name of the environment.
        world: the world to train in; a twin world, for reality is what it is evaluated in.
        steps: reports in all environments together, rounded up to whole rollouts.
        seed: of weights, actions and episodes: environment i begins with the seed `seed` + i. The global generators,
            from which Stable-Baselines3 draws, are left as they were.
        num_envs: environments in the batch.
        options: further options of the environments.
        configuration: hyperparameters.
        progress: called after each rollout with the steps done and the mean return of the last point of the learning
            curve [bit/s/Hz]: what the policy, without exploring, earns in `CURVE_EPISODES` episodes of that world.

    Raises:
        ConfigurationError: an argument or option is unknown or outside its range.
    """
    check_number("steps", steps, 1, 10**10, integer=True)
    check_number("seed", seed, 0, 2**31 - 1, integer=True)
    configuration = configuration or PpoConfiguration()
    options = {**(options or {}), "world": world}
    envs = make_envs(env, num_envs, autoreset_mode="SameStep", **options)
    check_choice("world", world, envs.core.site.twins)
    rollout = configuration.rollout_steps * num_envs
    if rollout % configuration.batches:
        raise ConfigurationError(
            f"batches must divide rollout_steps x num_envs = {rollout}, got {configuration.batches}"
        )
    monitored = VecMonitor(SB3VecEnv(envs))
    learner = RelativeReward(monitored, envs.core.config.uplink_period_slots)
    curve_envs = make_envs(env, CURVE_EPISODES, autoreset_mode="NextStep", **options)
    curve = _LearningCurve(curve_envs, range(seed + _CURVE_SEED, seed + _CURVE_SEED + CURVE_EPISODES), steps, progress)
    with kept_global_generators():
        model = PPO(
            "MlpPolicy",
            learner,
            n_steps=configuration.rollout_steps,
            batch_size=rollout // configuration.batches,
            n_epochs=configuration.epochs,
            learning_rate=lambda remaining: configuration.learning_rate * remaining,
            gamma=configuration.discount,
            gae_lambda=configuration.gae_lambda,
            ent_coef=configuration.entropy,
            clip_range=configuration.clip,
            target_kl=configuration.kl_limit,
            policy_kwargs={"net_arch": list(configuration.hidden)},
            seed=seed,
            device="cpu",
        )
        model.set_logger(Logger(None, []))
        model.learn(steps, callback=curve)
    card = PolicyCard(
        env=env,
        options=options,
        seed=seed,
        steps=model.num_timesteps,
        num_envs=num_envs,
        hyperparameters={**dataclasses.asdict(configuration), "hidden": list(configuration.hidden)},
        actions=num_actions(envs),
        hidden=list(configuration.hidden),
        commit=code_version()[0],
        learning_curve=curve.points,
    )
    envs.close()
    return SB3Policy(model.policy), card


class _LearningCurve(BaseCallback):
    """Evaluates the policy on the same episodes before, while and after it learns."""

    def __init__(self, envs: TaskVectorEnv, seeds: range, steps: int, progress: Callable[[int, float], None]) -> None:
        super().__init__()
        self.envs, self.seeds, self.steps, self.progress = envs, seeds, steps, progress
        self.points: list[list[float]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps * (CURVE_POINTS - 1) >= len(self.points) * self.steps:
            self._add_point()
        self.progress(self.num_timesteps, self.points[-1][1])

    def _on_training_end(self) -> None:
        self._add_point()
        self.progress(self.num_timesteps, self.points[-1][1])

    def _add_point(self) -> None:
        policy = SB3Policy(self.model.policy)
        observation, _ = self.envs.reset(seed=list(self.seeds))
        running, earned = np.ones(len(self.seeds), bool), 0.0
        while running.any():
            observation, reward, _, truncated, _ = self.envs.step(policy.predict(observation)[0])
            earned += float(reward[running].sum())
            running &= ~truncated
        self.points.append([self.num_timesteps, earned / len(self.seeds)])


@contextmanager
def kept_global_generators() -> Iterator[None]:
    """Whatever is done to the global generators of Python, NumPy and torch is undone at the end."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def training_bar(steps: int) -> Iterator[Callable[[int, float], None]]:
    """A progress bar for `train_ppo`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("training PPO", total=steps)

        def show(done: int, mean_return: float) -> None:
            bar.update(task, completed=done, description=f"training PPO: {mean_return:.2f} bit/s/Hz")

        yield show


def main(
    out: Annotated[Path, typer.Option(help="folder for the policy")],
    env: Annotated[str, typer.Option(help="environment")] = "FeedbackInterval",
    algo: Annotated[str, typer.Option(help="algorithm")] = "ppo",
    world: Annotated[str, typer.Option(help="world to train in")] = "twin",
    steps: Annotated[int, typer.Option(help="reports, in all environments together")] = 240_000,
    seed: Annotated[int, typer.Option(help="of everything random")] = 0,
    num_envs: Annotated[int, typer.Option(help="environments in the batch")] = 128,
    options: Annotated[str, typer.Option(help="further options of the environment, as JSON")] = "{}",
) -> None:
    """Train a policy in a twin world and save it."""
    check_choice("algo", algo, ("ppo",))
    with training_bar(steps) as progress:
        policy, card = train_ppo(
            env,
            world=world,
            steps=steps,
            seed=seed,
            num_envs=num_envs,
            options=parse_json_object("options", options),
            progress=progress,
        )
    save_policy(out, card, policy)
    print(f"wrote {out}")


if __name__ == "__main__":
    run_command(main)
