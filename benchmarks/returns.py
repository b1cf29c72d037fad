"""What our contenders earn on the first evaluation seeds, for `Evaluation.against`: `python -m benchmarks.returns`.

Constants of rules and the best fixed choice are those that `benchmarks.decisions` chose on training seeds. Environments
whose result is of another version are left out.
"""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Policy, RandomPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.core.stored import PATH, StoredReturns, read_returns
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.base.progress import TellProgress, progress
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.benchmarks.report.snapshot import policy_named
from twin_envs.envs.registry import specification, specifications

RESULTS = Path(__file__).parent / "results"
DIGITS = 6
"""Decimals of a return that are kept."""


def collect(env: str, chosen: dict[str, Any], episodes: int, planners: bool, progress: TellProgress) -> StoredReturns:
    """Returns of all contenders that need no training, with the default options.

    Args:
        env: its id.
        chosen: `{name: {"choice": constant}}`, as `benchmarks.decisions` tells it.
        episodes: for the first evaluation seeds, so many.
        planners: planners and the oracle, too, which take minutes.
        progress: called with what is being done and the share of it that is.
    """
    seeds = evaluation_seeds(0, episodes)
    envs = make_envs(env, episodes)
    candidates = contenders(env, envs)
    names = dict.fromkeys(["best-fixed", *candidates.tuned, *(candidates.ready if planners else ())])
    policies: dict[str, Policy] = {"random": RandomPolicy(0)}
    for name in names:
        try:
            policies[name] = policy_named(candidates, name, chosen)
        except KeyError as error:
            raise ConfigurationError(
                f"the result of {env} has no constant of {name!r} that is still a candidate ({error}); "
                f"make it anew: `twin-envs benchmark --env {env} --train --json ...`"
            ) from None
    returns = {}
    for name, policy in policies.items():
        played = play(policy, envs, seeds, partial(progress, f"{env}: {name}"))
        returns[name] = [round(float(earned), DIGITS) for earned in played.returns]
    return StoredReturns(
        env=specification(env).id, site=envs.core.site.manifest["digest"], seeds=list(seeds), policies=returns
    )


def write(path: Path, stored: dict[str, StoredReturns]) -> None:
    """Write what is stored, an environment a line."""
    lines = []
    for env, found in sorted(stored.items()):
        told = {key: value for key, value in dataclasses.asdict(found).items() if key != "env"}
        lines.append(f"{json.dumps(env)}: {json.dumps(told, allow_nan=False)}")
    write_files({path: ("{\n" + ",\n".join(lines) + "\n}\n").encode()})


def main(
    env: Annotated[list[str] | None, typer.Option(help="this one alone; may be repeated")] = None,
    episodes: Annotated[int, typer.Option(help="evaluation episodes, 2 or more")] = 32,
    planners: Annotated[bool, typer.Option(help="planners and the oracle, too, which take minutes")] = True,
    results: Annotated[Path, typer.Option(help="folder of decisions-NAME.json with the chosen constants")] = RESULTS,
    path: Annotated[Path, typer.Option("--json", help="file to write")] = PATH,
) -> None:
    """Store what our contenders earn."""
    ours = {about.name: about.id for about in specifications()}
    known = read_returns(path) if path.exists() else {}
    stored = {name: found for name, found in known.items() if name in ours.values()}
    console, left_out = new_console(), []
    with progress(console) as report:
        for about in [specification(name) for name in env or ours]:
            file = results / f"decisions-{about.name}.json"
            result = json.loads(file.read_text(encoding="utf-8"))["figures"][about.name] if file.exists() else {}
            if result.get("env") == about.id:
                stored[about.id] = collect(about.id, result["chosen"], episodes, planners, report)
            else:
                left_out.append(about.id)
            write(path, stored)
    console.print(f"wrote {path}")
    if left_out:
        console.print(f"left out, because {results} has no result of them: {', '.join(left_out)}")


if __name__ == "__main__":
    run_command(main)
