"""What a trained policy is worth: `twin-envs evaluate --policy runs/ppo --compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.evaluation import as_policy
from twin_envs.agents.core.policies import Policy, RandomPolicy, attach
from twin_envs.agents.core.rollout import play
from twin_envs.agents.core.tuning import choose
from twin_envs.agents.learning.saving import code_version, load_policy
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.base.progress import TellProgress, progress
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.base.statistics import interval, paired_difference

TRAINING_EPISODES = 32
"""Training episodes on which the best fixed choice is found."""


def run(
    policy: Path | str,
    *,
    env: str | None,
    world: str,
    episodes: int,
    seed: int,
    options: dict[str, Any],
    compare: bool,
    progress: TellProgress = lambda *told: None,
) -> dict[str, Any]:
    """Mean returns and paired differences with their intervals [bit/s/Hz].

    Args:
        policy: folder of a trained one, a name (see `twin_envs.policies`), or `"module:object"`.
        env: name of the environment; that of a trained policy's training by default.
        world: the world to evaluate in.
        episodes: how many.
        seed: chooses the evaluation seeds.
        options: of the environment, on top of those of the training but its device.
        compare: with random actions and with the fixed choice that does best on training seeds, too.
        progress: called with what is being done and the share of it that is.

    Raises:
        ConfigurationError: the policy is damaged or does not fit the environment, or an argument is out of range.
    """
    asked, found, env, trained = _find(policy, env)
    name, settings = env, {**trained, **options, "world": world}
    seeds = evaluation_seeds(seed, episodes)
    policies: dict[str, Policy] = {asked: found}
    envs = make_envs(name, len(seeds), **settings)
    attach(found, envs)  # refuses environments that it does not fit before anything is played
    if compare:
        fixed = contenders(name, envs).fixed
        choice = choose(
            fixed,
            lambda count: make_envs(name, count, **settings),
            training_seeds(seed, TRAINING_EPISODES),
            lambda share: progress("choosing the best fixed choice", share),
        )
        policies |= {"best-fixed": fixed[choice.best], "random": RandomPolicy(seed)}
    returns = {
        name: play(policy, envs, seeds, lambda share: progress("evaluating", share)).returns
        for name, policy in policies.items()
    }
    generator = np.random.default_rng(seed)
    result = {
        "env": name,
        "options": settings,
        "evaluation_seeds": [seeds[0], seeds[-1]],
        "policies": {name: interval(values, generator) for name, values in returns.items()},
        "paired": {
            f"{asked} - {name}": paired_difference(returns[asked], values, generator)
            for name, values in returns.items()
            if name != asked
        },
        "commit": code_version()[0],
    }
    return result | ({"best_fixed": choice.best} if compare else {})


def _find(policy: Path | str, env: str | None) -> tuple[str, Policy, str, dict[str, Any]]:
    """Name of a policy, the policy, its environment, and the options that it was trained with but the device."""
    if Path(policy).is_dir() or isinstance(policy, Path):
        trained, card = load_policy(Path(policy))
        options = {key: value for key, value in card.options.items() if key != "device"}  # that was another machine's
        return card.algorithm, trained, env or card.env, options
    if env is None:
        raise ConfigurationError(f"env must be given with policy {policy!r}, which is no folder of a trained one")
    return policy.rpartition(":")[2], as_policy(policy), env, {}


def main(
    policy: Annotated[str, typer.Option(help="folder of a trained policy, a name, or module:object")],
    env: Annotated[str | None, typer.Option(help="environment; by default that of its training")] = None,
    world: Annotated[str, typer.Option(help="world to evaluate in")] = "reality",
    episodes: Annotated[int, typer.Option(help="evaluation episodes")] = 96,
    seed: Annotated[int, typer.Option(help="chooses the evaluation seeds, 0 or more")] = 0,
    options: Annotated[str, typer.Option(help="of the environment, on top of the training's, as JSON")] = "{}",
    compare: Annotated[bool, typer.Option("--compare", help="with random and the best fixed choice, too")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="result")] = None,
) -> None:
    """Evaluate a policy on seeds that nothing was trained on."""
    console = new_console()
    with progress(console) as report:
        result = run(
            policy,
            env=env,
            world=world,
            episodes=episodes,
            seed=seed,
            options=parse_json_object("options", options),
            compare=compare,
            progress=report,
        )
    console.print(f"{result['env']} in {world}, {episodes} episodes, bit/s/Hz: mean and 95 % interval")
    for name, score in (result["policies"] | result["paired"]).items():
        console.print(f"  {name:20} {score['mean']:8.3f}  ({score['low']:.3f} to {score['high']:.3f})")
    if compare:
        console.print(f"best-fixed is {result['best_fixed']}, chosen on training episodes")
    if json_path:
        write_files({json_path: (json.dumps(result, indent=1, allow_nan=False) + "\n").encode()})
        console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
