"""Training: `twin-envs train --env FeedbackInterval --algo ppo --world twin --steps 240000 --out runs/ppo`."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from time import process_time
from typing import Annotated, Any

import numpy as np
import typer
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from twin_envs.agents.core.environments import make_envs, training_of
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.rollout import play
from twin_envs.agents.learning.algorithms import (
    Configuration,
    check_space,
    configure,
    name_of,
    new_model,
    usual_steps,
)
from twin_envs.agents.learning.checkpoints import CHECKPOINT_FILE, read_checkpoint, restore, save_checkpoint
from twin_envs.agents.learning.dagger import Dagger
from twin_envs.agents.learning.event_log import EventLog
from twin_envs.agents.learning.saving import (
    CARD_FILE,
    WEIGHTS_FILE,
    PolicyCard,
    code_version,
    load_policy,
    load_weights,
    save_policy,
)
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.agents.learning.spaces import describe_space
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console, telling_how_to_go_on
from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.base.generators import generators_kept
from twin_envs.base.progress import progress
from twin_envs.base.seeds import EVALUATION_SEED, check_training_seed
from twin_envs.envs.faces.processes import ProcessVectorEnv, process_envs
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.wrappers import RelativeRewardVector
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

CURVE_EPISODES, CURVE_POINTS = 32, 9
"""Episodes over which a point of the learning curve is the mean, the same ones for all points; and how many points."""
CHECKPOINTS = 20
"""How many checkpoints are written in the course of a training."""
_CURVE_SEED = 9000
"""Seeds of these episodes are from this far above the training's on, or farther if it has more environments."""
TellProgress = Callable[[int, float], None]
"""Called with the steps done and the mean return of the last point of the learning curve [bit/s/Hz]."""


def train(
    env: str,
    *,
    world: str,
    steps: int | None = None,
    seed: int,
    num_envs: int | None = None,
    processes: int = 1,
    options: dict[str, Any] | None = None,
    configuration: Configuration | None = None,
    folder: Path | None = None,
    init: Path | None = None,
    command: str | None = None,
    progress: TellProgress = lambda steps, mean_return: None,
) -> tuple[SB3Policy, PolicyCard]:
    """Train a policy.

    Args:
        env: name of the environment.
        world: the world to train in; a twin world, for reality is what it is evaluated in.
        steps: decisions in all environments together, rounded up to whole rollouts; by default, as all that is None
            here, as the docstring of the environment says in its section `Training`.
        seed: of weights, actions and episodes: environment i begins with the seed `seed` + i, and the learning curve
            has its own above these, none of them for evaluation (see `twin_envs.base.seeds`). The global generators,
            from which Stable-Baselines3 draws, are left as they were.
        num_envs: environments in the batch.
        processes: among which the batch is shared, on CPUs and with what `process_envs` asks of a script; 1 for this
            process alone, as DAgger wants it.
        options: further options of the environments.
        configuration: hyperparameters, which say the algorithm, too. DAgger's teacher decides in that world, and an
            oracle reads that world alone; the card says so.
        folder: the policy, checkpoints and logs for TensorBoard go there, and a checkpoint that is there already, be it
            of an interrupted or of a finished training, is gone on from: with its weights and its optimisers' state, on
            other episodes, with an empty replay buffer, and with nothing of what a teacher has told. Schedules, such as
            that of the learning rate, go on as in a training of `steps` from the beginning.
        init: folder of a policy with a network of the same kind and sizes, whose weights a training begins with.
        command: what is to be typed for this training, which the card tells, after those before it.
        progress: called after each rollout; the learning curve is what the policy, without exploring, earns in
            `CURVE_EPISODES` episodes of that world.

    Raises:
        ConfigurationError: an argument or option is unknown or outside its range, the algorithm cannot act in the
            environment, the checkpoint is damaged or of another training, or `steps` are not more than it has done, or
            the policy to begin with is for other observations, actions or sizes.
    """
    training = training_of(env)
    configuration = configuration or configure("ppo", {}, training)
    steps = usual_steps(configuration, training) if steps is None else steps
    num_envs = training.num_envs if num_envs is None else num_envs
    check_number("steps", steps, 1, 10**10, integer=True)
    options = {**(options or {}), "world": world}
    check_number("processes", processes, 1, num_envs, integer=True)
    envs = make_envs(env, num_envs if processes == 1 else 1, autoreset_mode="SameStep", **options)
    check_training_seed(seed, curve_seeds(0, num_envs).stop)
    check_choice("world", world, envs.core.site.twins)
    check_space(name_of(configuration), envs.single_action_space)
    configuration, teacher = configuration.with_teacher(env, envs)
    if teacher and processes > 1:
        raise ConfigurationError(f"processes must be 1 where a teacher decides beside the learner, got {processes}")
    privileged = isinstance(teacher, Oracle)
    card = _new_card(env, configuration, options, seed, num_envs, envs, command, privileged=privileged)
    before = read_checkpoint(folder) if folder else None
    if before:
        if init:
            raise ConfigurationError(f"init is for a training that begins, got {init} beside {folder}, which goes on")
        card = _same_training(before, card)
        if steps <= card.steps:
            raise ConfigurationError(f"steps must be more than the {card.steps} that are done already, got {steps}")
    watch = _Watch(card, make_envs(env, CURVE_EPISODES, autoreset_mode="NextStep", **options), steps, folder, progress)
    shared = process_envs(env, num_envs, processes, autoreset_mode="SameStep", **options) if processes > 1 else envs
    with closing(envs), closing(shared), generators_kept():
        model = _ready_model(configuration, shared, card, folder if before else None)
        if init:
            watch.card = _begin_with(init, model, card)
        if isinstance(model, Dagger) and teacher:
            model.begin(teacher, envs)
        model.set_logger(_logger(folder))
        model.learn(steps - card.steps, callback=watch, reset_num_timesteps=False)
        if folder:
            save_policy(folder, watch.card, watch.policy())
            save_checkpoint(folder, watch.card, model)
    return watch.policy(), watch.card


def _new_card(
    env: str,
    configuration: Configuration,
    options: dict[str, Any],
    seed: int,
    num_envs: int,
    envs: TaskVectorEnv,
    command: str | None,
    *,
    privileged: bool,
) -> PolicyCard:
    """The card of a training in `num_envs` environments such as `envs` that has not begun."""
    return PolicyCard(
        env=env,
        algorithm=name_of(configuration),
        options=options,
        seed=seed,
        steps=0,
        num_envs=num_envs,
        hyperparameters={**dataclasses.asdict(configuration), "hidden": list(configuration.hidden)},
        observation=envs.observation_layout.names,
        action_space=describe_space(envs.single_action_space),
        commit=code_version()[0],
        learning_curve=[],
        items=envs.observation_layout.items,
        privileged=privileged,
        site={"name": envs.core.site.recipe.name, "digest": envs.core.site.manifest["digest"]},
        command=command,
        seconds=0.0,
    )


def _ready_model(
    configuration: Configuration, envs: TaskVectorEnv | ProcessVectorEnv, card: PolicyCard, checkpoint: Path | None
) -> BaseAlgorithm:
    """The algorithm, ready to learn in `envs`: with fresh weights, or as the folder `checkpoint` holds it."""
    venv = _to_learn_in(envs, configuration.reward)
    model = new_model(configuration, venv, card.items, seed_of_part(card.seed, card.steps, card.num_envs))
    if checkpoint:
        restore(checkpoint, model)
        model.num_timesteps = card.steps
        if hasattr(model, "learning_starts"):  # the replay buffer is empty again
            model.learning_starts += card.steps
    return model


def _begin_with(folder: Path, model: BaseAlgorithm, card: PolicyCard) -> PolicyCard:
    """Give `model` the weights of the policy in `folder`; returns the card of the training that begins so."""
    _, first = load_policy(folder)
    for name in ("observation", "action_space"):
        was, now = getattr(first, name), getattr(card, name)
        if was != now:
            raise ConfigurationError(f"{name} of the policy to begin with must be {now!r}, got {was!r}")
    load_weights(folder / WEIGHTS_FILE, model.policy)
    return dataclasses.replace(
        card,
        begun_from=first.told_after(),
        privileged=card.privileged or first.privileged,
        command=_one_after_the_other(first.command, card.command),
        seconds=first.seconds,
    )


def _one_after_the_other(first: str | None, then: str | None) -> str | None:
    """Both commands in a line; None where one is not known."""
    return None if first is None or then is None else f"{first} && {then}"


def _to_learn_in(envs: TaskVectorEnv | ProcessVectorEnv, reward: str) -> VecEnv:
    """The batch with the rewards to learn from; logs have the environments' own."""
    told = RecordEpisodeStatistics(envs)
    return SB3VecEnv(RelativeRewardVector(told) if reward == "relative" else told)


def _same_training(before: PolicyCard, card: PolicyCard) -> PolicyCard:
    """The card of the checkpoint. Raises `ConfigurationError` unless it is of the training that `card` describes."""
    progress = ("steps", "commit", "learning_curve", "begun_from", "privileged", "site", "command", "seconds")
    for field in dataclasses.fields(PolicyCard):
        was, now = getattr(before, field.name), getattr(card, field.name)
        if field.name not in progress and was != now:
            raise ConfigurationError(f"{field.name} must be {was!r}, as in the checkpoint, got {now!r}")
    command = _one_after_the_other(before.command, card.command)
    return dataclasses.replace(before, commit=card.commit, command=command)


def curve_seeds(seed: int, num_envs: int) -> range:
    """Seeds of the episodes of the learning curve, above those that `num_envs` environments begin with."""
    first = seed + max(_CURVE_SEED, num_envs)
    return range(first, first + CURVE_EPISODES)


def seed_of_part(seed: int, done: int, num_envs: int) -> int:
    """Seed from which a training goes on after `done` steps: it meets neither its first episodes nor its curve's."""
    if done == 0:
        return seed
    generator, met = np.random.default_rng([seed, done]), range(seed - num_envs + 1, curve_seeds(seed, num_envs).stop)
    while (drawn := int(generator.integers(EVALUATION_SEED - num_envs))) in met:
        pass
    return drawn


def _logger(folder: Path | None) -> Logger:
    return Logger(None, [EventLog(folder / "tensorboard")] if folder else [])


class _Watch(BaseCallback):
    """Evaluates the policy on the same episodes before, while and after it learns, and writes checkpoints."""

    model: BaseAlgorithm

    def __init__(
        self, card: PolicyCard, envs: TaskVectorEnv, steps: int, folder: Path | None, progress: TellProgress
    ) -> None:
        super().__init__()
        self.card, self.envs, self.steps, self.folder, self.report = card, envs, steps, folder, progress
        self.seeds = curve_seeds(card.seed, card.num_envs)
        self._counted_s = process_time()

    def policy(self) -> SB3Policy:
        """The policy as it is now."""
        return SB3Policy(self.model.policy, self.envs.observation_layout.names, self.envs.single_action_space)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        done, points = self.num_timesteps, self.card.learning_curve
        if not points or self._part(done) > self._part(points[-1][0]):
            self._add_point()
        if self.folder and (done - self.card.steps) * CHECKPOINTS >= self.steps:
            self._count()
            save_checkpoint(self.folder, self.card, self.model)
        self.report(done, self.card.learning_curve[-1][1])

    def _on_training_end(self) -> None:
        self._add_point()
        self._count()
        self.report(self.num_timesteps, self.card.learning_curve[-1][1])

    def _part(self, done: float) -> int:
        """In which of the parts of the training between points of the curve it is after `done` steps."""
        return int(done * (CURVE_POINTS - 1) // self.steps)

    def _count(self) -> None:
        before, self._counted_s = self._counted_s, process_time()
        seconds = None if self.card.seconds is None else self.card.seconds + self._counted_s - before
        self.card = dataclasses.replace(self.card, steps=self.num_timesteps, seconds=seconds)

    def _add_point(self) -> None:
        mean_return = float(play(self.policy(), self.envs, self.seeds).returns.mean())
        self.card.learning_curve.append([self.num_timesteps, mean_return])
        self.logger.record("curve/mean_return", mean_return)


def main(
    out: Annotated[Path, typer.Option(help="folder for the policy, its checkpoints and TensorBoard's logs")],
    env: Annotated[str, typer.Option(help="environment")] = "FeedbackInterval",
    algo: Annotated[str, typer.Option(help="ppo, dqn, sac, recurrent_ppo or dagger")] = "ppo",
    world: Annotated[str, typer.Option(help="world to train in")] = "twin",
    steps: Annotated[
        int | None,
        typer.Option(help="decisions, in all environments together; by default the environment's `Training`"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of everything random")] = 0,
    num_envs: Annotated[int | None, typer.Option(help="environments in the batch; likewise")] = None,
    processes: Annotated[int, typer.Option(help="among which the batch is shared")] = 1,
    options: Annotated[str, typer.Option(help="further options of the environment, as JSON")] = "{}",
    hyperparameters: Annotated[str, typer.Option(help="of the algorithm, as JSON; likewise")] = "{}",
    teacher: Annotated[
        str | None,
        typer.Option(help="whom dagger imitates: a contender, a name or module:object; by default the twin's planner"),
    ] = None,
    init: Annotated[Path | None, typer.Option(help="folder of a policy whose weights to begin with")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the training of this folder")] = False,
) -> None:
    """Train a policy in a twin world and save it; a finished training goes on with --resume and more --steps."""
    checkpoint = out / CHECKPOINT_FILE
    held = next((path for path in (checkpoint, out / CARD_FILE) if path.exists()), None)
    if held and not resume:
        how = ", or --resume to go on with it" if held == checkpoint else ""
        raise ConfigurationError(f"out must hold no training yet, got {held}; give another --out{how}")
    if resume and held != checkpoint:
        what = f"only {held}, which cannot be trained on" if held else out
        raise ConfigurationError(f"out must hold a checkpoint, got {what}; without --resume a new training begins")
    training, given = training_of(env), parse_json_object("hyperparameters", hyperparameters)
    if teacher is not None and algo != "dagger":
        raise ConfigurationError(f"teacher is for dagger, got {teacher!r} with {algo!r}")
    configuration = configure(algo, given | ({} if teacher is None else {"teacher": teacher}), training)
    command = _command(
        {"env": env, "algo": algo, "world": world, "seed": seed, "options": options, "out": out}
        | {"hyperparameters": hyperparameters, "steps": steps, "num-envs": num_envs, "teacher": teacher, "init": init},
        resume=resume,
    )
    steps = usual_steps(configuration, training) if steps is None else steps
    with telling_how_to_go_on(lambda: _how_to_go_on(out)), progress(new_console()) as report:
        train(
            env,
            world=world,
            steps=steps,
            seed=seed,
            num_envs=num_envs,
            processes=processes,
            options=parse_json_object("options", options),
            configuration=configuration,
            folder=out,
            init=init,
            command=command,
            progress=lambda done, mean_return: report(f"training {algo}", done / steps, f"{mean_return:.2f} bit/s/Hz"),
        )
    print(f"wrote {out}")


def _command(options: Mapping[str, Any], *, resume: bool) -> str:
    """The command with these options, by name; those that are None or `{}` go without saying."""
    said = [f"--{name}={value}" for name, value in options.items() if value is not None and value != "{}"]
    return shlex.join(["twin-envs", "train", *said, *(["--resume"] if resume else [])])


def _how_to_go_on(out: Path) -> str:
    if (out / CHECKPOINT_FILE).exists():
        return "with --resume the training goes on from its last checkpoint"
    return "there is no checkpoint yet, and the same command trains anew"


if __name__ == "__main__":
    run_command(main)
