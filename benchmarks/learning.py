"""What learners make of the twin's planner: `python -m benchmarks.learning --env ApSelection`.

A planner in the twin decides well and takes long. DAgger learns in the twin from what the planner does there, PPO from
what it earns there. In reality, both are compared with the planner and with the tuned rule on the same episodes, and
the time that each takes to decide is measured.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from twin_envs.agents.core.contenders import Contenders, contenders
from twin_envs.agents.core.environments import make_envs, training_of
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import Array, Policy, State
from twin_envs.agents.core.rollout import play
from twin_envs.agents.core.tuning import choose
from twin_envs.agents.learning.algorithms import configure
from twin_envs.agents.learning.saving import PolicyCard, load_policy
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.agents.learning.shipped import NAME, load_trained
from twin_envs.agents.learning.teachers import find_teacher
from twin_envs.agents.train import train
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.base.files import as_text
from twin_envs.base.progress import TellProgress, progress
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.envs.core.network_view import NetworkView

LEARNERS = ("dagger", "ppo")
"""What is trained, unless ready policies are given."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is computed.

    Args:
        episodes: in reality, of each policy.
        training_episodes: on which the constant of the rule is chosen.
        steps: decisions of each learner's training, by algorithm; what is not there is as usual.
        num_envs: environments in the batch of a training; None for what the environment's `Training` says.
    """

    episodes: int = 96
    training_episodes: int = 128
    steps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    num_envs: int | None = None


QUICK = Budget(episodes=12, training_episodes=8, steps={"dagger": 5_120, "ppo": 16_384}, num_envs=32)


class Timed:
    """A policy, and how long it takes.

    Args:
        policy: which.

    Attributes:
        seconds: processor time of its decisions so far.
        decisions: how many these were.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy, self.seconds, self.decisions = policy, 0.0, 0

    def attach(self, network: NetworkView) -> None:
        """Attach the policy."""
        self._policy.attach(network)

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        """What the policy does."""
        begun = time.process_time()
        decided = self._policy.predict(observation, state, episode_start, deterministic)
        self.seconds += time.process_time() - begun
        self.decisions += len(observation)
        return decided


def compare(
    env: str,
    budget: Budget,
    seed: int,
    options: dict[str, Any],
    ready: Sequence[str],
    report: TellProgress,
    planner: str | None = None,
) -> dict[str, Any]:
    """How learners fare in reality beside the planner and the tuned rule: the best, in training episodes in reality, of
    all fixed choices, rules and planners that know no twin, with all their constants.

    Args:
        env: name of the environment.
        budget: how much is computed.
        seed: chooses the training and evaluation seeds.
        options: of the environment.
        ready: folders of trained policies, or `learned` for the one that ships, that are compared instead of training
            `LEARNERS`.
        report: called with what is being done and the share of it that is.
        planner: with whom they are compared, as `find_teacher` finds it; by default whom they were taught by, if that
            one knows the twin, or else the twin's planner with the middle one of its constants.

    Returns:
        `rule` and `planner`: their names, with the constant; `policies`: mean return and interval of `rule`, `planner`
        and each learner; `over_planner`, `over_rule`: the paired difference of each learner, as a share of what that
        one earns; `ms_per_decision`: processor time, in a batch of all episodes; `speedup`: of each learner over the
        planner; `trained`: the cards of the learners.
    """
    learners = _ready(env, ready) if ready else _trained(env, budget, seed, options, report)
    envs = make_envs(env, budget.episodes, **options)
    known = contenders(env, envs)
    taught = [card.hyperparameters["teacher"] for _, card in learners.values() if card.algorithm == "dagger"]
    if planner is None:
        planner = next((name for name in taught if name.partition(":")[0] in known.twins), "")
    planner_name, found = find_teacher(planner, env, envs)
    if isinstance(found, Oracle):  # in reality an oracle is nobody's rival
        raise ConfigurationError(f"planner must not read reality, got {planner_name!r}")
    rules = without_the_twin(known)
    chosen = choose(
        rules,
        lambda count: make_envs(env, count, **options),
        training_seeds(seed, budget.training_episodes),
        partial(report, f"{env}: choosing the rule"),
    )
    policies = {"rule": rules[chosen.best], "planner": found} | {name: policy for name, (policy, _) in learners.items()}
    seeds, returns, ms = evaluation_seeds(seed, budget.episodes), {}, {}
    for name, policy in policies.items():
        timed = Timed(policy)
        returns[name] = play(timed, envs, seeds, partial(report, f"{env}: evaluating {name}")).returns
        ms[name] = 1e3 * timed.seconds / timed.decisions
    return {
        "rule": chosen.best,
        "planner": planner_name,
        "options": dataclasses.asdict(envs.core.config),
        "episodes": budget.episodes,
        "policies": {name: interval(values, np.random.default_rng(seed)) for name, values in returns.items()},
        **{
            f"over_{rival}": {name: _share(returns[name], returns[rival], seed) for name in learners}
            for rival in ("planner", "rule")
        },
        "ms_per_decision": ms,
        "speedup": {name: ms["planner"] / ms[name] for name in learners},
        "trained": {name: dataclasses.asdict(card) for name, (_, card) in learners.items()},
    }


def without_the_twin(known: Contenders) -> dict[str, Policy]:
    """Fixed choices, rules with each of their constants, and planners that know neither twin nor reality, by name."""
    tuned = {
        f"{name}, {constant}": policy
        for name, by in known.tuned.items()
        if name not in known.twins
        for constant, policy in by.items()
    }
    ready = {
        name: policy
        for name, policy in known.ready.items()
        if name not in (*known.twins, NAME) and not isinstance(policy, Oracle)
    }
    return {**known.fixed, **tuned, **ready}


def _share(mine: Array, other: Array, seed: int) -> dict[str, float]:
    """The paired difference of returns as a share of the mean of `other`."""
    difference = paired_difference(mine, other, np.random.default_rng(seed))
    return {end: value / float(other.mean()) for end, value in difference.items()}


def _ready(env: str, ready: Sequence[str]) -> dict[str, tuple[SB3Policy, PolicyCard]]:
    """Trained policies by their names, each once; by the seed of their training, too, if several have the same."""
    found = [load_trained(env) if one == NAME and not Path(one).is_dir() else load_policy(Path(one)) for one in ready]
    for _, card in found:
        check_choice("env of the trained policy", card.env, (env,))
    learners = {card.name: (policy, card) for policy, card in found}
    if len(learners) < len(found):
        learners = {f"{card.name}, seed {card.seed}": (policy, card) for policy, card in found}
    if len(learners) < len(found):
        raise ConfigurationError(
            f"policy must be given once for each kind and seed, got {[(card.name, card.seed) for _, card in found]}"
        )
    return learners


def _trained(
    env: str, budget: Budget, seed: int, options: dict[str, Any], report: TellProgress
) -> dict[str, tuple[SB3Policy, PolicyCard]]:
    """`LEARNERS`, trained in the twin."""
    learners = {}
    for name in LEARNERS:
        configuration = configure(name, {}, training_of(env))
        learners[name] = train(
            env,
            world="twin",
            steps=budget.steps.get(name),
            seed=training_seeds(seed, 1)[0],
            num_envs=budget.num_envs,
            options=options,
            configuration=configuration,
            progress=lambda done, mean_return, name=name: report(  # type: ignore[misc]
                f"{env}: training {name}", 0.0, f"{done} decisions, {mean_return:.2f} bit/s/Hz"
            ),
        )
    return learners


def show(console: Console, env: str, result: dict[str, Any]) -> None:
    """Print a table: a line for each policy."""
    head = ("policy", "bit/s/Hz", "over the planner", "over the rule", "ms a decision")
    table = new_table(*head, title=f"{env}: rule {result['rule']}; planner {result['planner']}", numbers=True)
    for name, score in result["policies"].items():
        over = [_percent(result[f"over_{rival}"].get(name)) for rival in ("planner", "rule")]
        table.add_row(name, f"{score['mean']:.2f}", *over, f"{result['ms_per_decision'][name]:.3f}")
    console.print(table)


def _percent(share: Mapping[str, float] | None) -> str:
    return "" if share is None else f"{share['mean']:+.1%} ({share['low']:+.1%} to {share['high']:+.1%})"


def main(
    env: Annotated[str, typer.Option(help="environment")] = "ApSelection",
    policy: Annotated[
        list[str] | None,
        typer.Option(help="folder of a trained policy, or `learned`, instead of training; may be repeated"),
    ] = None,
    planner: Annotated[
        str | None, typer.Option(help="to compare with: NAME: CONSTANT; by default the teacher, if it knows the twin")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="few episodes and decisions; proves little")] = False,
    seed: Annotated[int, typer.Option(help="chooses training and evaluation seeds, 0 or more")] = 0,
    options: Annotated[str, typer.Option(help="of the environment, as JSON")] = "{}",
    episodes: Annotated[int | None, typer.Option(help="evaluation episodes, 2 or more")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="result; by default runs/learning-ENV.json")] = None,
) -> None:
    """Compare in reality what has learnt in the twin with the twin's planner and the tuned rule."""
    console, path = new_console(), json_path or Path("runs") / f"learning-{env}.json"
    budget = QUICK if quick else Budget()
    if episodes is not None:
        check_number("episodes", episodes, 2, 100_000, integer=True)
        budget = dataclasses.replace(budget, episodes=episodes)
    with progress(console) as report:
        settings = parse_json_object("options", options)
        result = compare(env, budget, seed, settings, policy or [], report, planner)
    arguments = {
        "env": env,
        "policy": [as_text(one) for one in policy or []],
        "planner": planner,
        "quick": quick,
        "options": options,
        "episodes": episodes,
    }
    write_result(path, "learning", {env: result}, provenance(arguments, seed=seed, device=choose_device("auto")))
    show(console, env, result)
    console.print(f"wrote {path}")


if __name__ == "__main__":
    run_command(main)
