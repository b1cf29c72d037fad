"""The benchmark: `python -m benchmarks.suite --protocol quick`.

Every policy plays every task of a protocol, which was written before: `benchmarks/suite/protocols`. Somebody else's
policy is scored by `python -m benchmarks.suite --protocol quick --policy my_package:MyPolicy`, which plays that one
alone, and takes the others from the committed result.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from twin_envs.agents.core.environments import make_envs
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console, new_table, telling_how_to_go_on
from twin_envs.base.device import choose_device
from twin_envs.base.errors import ConfigurationError, SiteError, check_choice, check_number
from twin_envs.base.files import as_text
from twin_envs.base.progress import TellProgress, progress
from twin_envs.benchmarks.suite import engine
from twin_envs.benchmarks.suite.entrants import entries, reference
from twin_envs.benchmarks.suite.folder import RunFolder
from twin_envs.benchmarks.suite.jobs import Job
from twin_envs.benchmarks.suite.protocol import (
    Protocol,
    Task,
    configuration,
    protocol_names,
    read_protocol,
    site_digest,
    unbuilt_sites,
)
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.benchmarks.suite.standings import standings
from twin_envs.envs.registry import specification
from twin_envs.world.store.reading import build_command, find_site, read_manifest

_SAME = ("id", "site", "options", "config")
"""What of a task must be equal in results that are compared."""
RESULTS = Path(__file__).resolve().parents[1] / "results"
Figures = dict[str, Any]
Engine = Callable[[Sequence[Job], Callable[[str, float], None]], Iterator[tuple[Job, Figures]]]
"""Gives each of the jobs with its outcome as soon as it is there, and tells the share of all that is done."""
ENGINES = ("processes", "ray")


def run(
    protocol: Protocol,
    tasks: Sequence[Task],
    policies: Sequence[str],
    against: Figures | None,
    folder: RunFolder,
    play: Engine,
    report: TellProgress,
) -> Figures:
    """The figures of the benchmark.

    Args:
        protocol: what is played.
        tasks: of the protocol, those that are.
        policies: who plays; all of ours, if empty.
        against: figures of another run of the protocol, whose policies stand in the rankings, too.
        folder: where outcomes are kept, and those that are there already are taken from.
        play: plays jobs, such as `engine.outcomes` with its number of processes.
        report: called with what is being done and the share of it that is.

    Raises:
        ConfigurationError: nobody is called so, an option does not suit a site, or `against` is of other tasks.
        SiteError: a site is not built.
    """
    _check_built(tasks)
    jobs = [
        Job(
            task=task,
            policy=policy,
            seed=protocol.seed,
            episodes=protocol.episodes,
            training_episodes=protocol.training_episodes,
        )
        for task, policy in entries(tasks, policies, protocol.held_out)
    ]
    described = {task.name: describe(task) for task in tasks}
    known = {} if against is None else _outcomes(against, protocol, described)
    kept = [(job, folder.read(job)) for job in jobs]
    left = [job for job, outcome in kept if outcome is None]
    _try(tasks, left, report)
    done = {(job.task.name, job.policy): outcome for job, outcome in kept if outcome is not None}
    what = f"{len(left)} of {len(jobs)} jobs"
    for job, outcome in play(left, lambda name, share: report(what, share, name)):
        if "failed" not in outcome:  # what it failed for may be mended without a trace in the job's definition
            folder.keep(job, outcome)
        done[job.task.name, job.policy] = outcome
    for job in jobs:
        known.setdefault(job.task.name, {})[job.policy] = done[job.task.name, job.policy]
    report("ranking", 0.0)
    played = {name: {**told, "policies": known[name]} for name, told in described.items() if known.get(name)}
    return {"protocol": _told(protocol), **standings(played, protocol.seed)}


def _engine(name: str, jobs: int, address: str | None) -> Engine:
    """What plays. Raises `ConfigurationError` where an option is not for it, `DependencyMissing` without Ray."""
    check_choice("engine", name, ENGINES)
    if name == "ray":
        if jobs != 1:
            raise ConfigurationError(
                f"jobs must be 1 with engine 'ray', which takes all cores of its cluster, got {jobs}"
            )
        from twin_envs.benchmarks.suite import ray_engine

        return partial(ray_engine.outcomes, address)
    if address is not None:
        raise ConfigurationError(f"address is for engine 'ray', got {address!r} with engine {name!r}")
    return partial(engine.outcomes, jobs)


def describe(task: Task) -> Figures:
    """What a task is, and how far the twin is from the world in which its UEs live."""
    config, manifest = task.config, read_manifest(find_site(task.site))
    return {
        "env": specification(task.env).name,
        "id": specification(task.env).id,
        "site": {"name": Path(task.site).name, "digest": site_digest(task.site)},
        "variant": task.variant,
        "options": dict(task.options),
        "config": json.loads(json.dumps(asdict(config))),
        "held_out": task.held_out,
        "gap": manifest["gap"].get(config.twin) if config.world == "reality" else None,
        "reference": reference(task.env),
    }


def _told(protocol: Protocol) -> Figures:
    evaluation, training = protocol.evaluation_seeds, protocol.training_seeds
    return {
        "name": protocol.name,
        "description": protocol.description,
        "seed": protocol.seed,
        "episodes": protocol.episodes,
        "training_episodes": protocol.training_episodes,
        "evaluation_seeds": [evaluation[0], evaluation[-1]],
        "training_seeds": [training[0], training[-1]],
        "held_out": list(protocol.held_out),
    }


def _check_built(tasks: Sequence[Task]) -> None:
    if missing := unbuilt_sites(task.site for task in tasks):
        commands = ", ".join(f"`{build_command(site)}`" for site in missing)
        raise SiteError(f"the protocol has sites that are not built yet; build them with {commands}")


def _try(tasks: Sequence[Task], jobs: Sequence[Job], report: TellProgress) -> None:
    """Make an environment of each task that has jobs, so that options that do not suit its site are told at once."""
    needed = {job.task.name for job in jobs}
    tried = [task for task in tasks if task.name in needed]
    for number, task in enumerate(tried):
        report("making environments", number / len(tried), task.name)
        make_envs(task.env, 1, **task.options)


def _outcomes(against: Figures, protocol: Protocol, described: Mapping[str, Figures]) -> dict[str, dict[str, Any]]:
    """The outcomes of another run by task and policy. Raises `ConfigurationError` if it was of other episodes."""
    found, mine = against["protocol"], _told(protocol)
    for field in ("evaluation_seeds", "training_seeds"):
        if found[field] != mine[field]:
            raise ConfigurationError(f"{field} of both runs must be equal, got {mine[field]} and {found[field]}")
    for name, task in described.items():
        if name not in against["tasks"]:
            raise ConfigurationError(f"the result that is compared with has no task {name!r}")
        other = against["tasks"][name]
        defaults = json.loads(json.dumps(asdict(configuration(task["id"], {}))))
        other = {**other, "config": {**defaults, **other["config"]}}  # options that are newer than that run
        for field in _SAME:
            if task[field] != other[field]:
                raise ConfigurationError(
                    f"{field} of task {name!r} must be equal in both runs, got {_unlike(task[field], other[field])}"
                )
    return {name: dict(against["tasks"][name]["policies"]) for name in described}


def _unlike(mine: Any, other: Any) -> str:
    """What of two things differs, and what each has."""
    if not (isinstance(mine, dict) and isinstance(other, dict)):
        return f"{mine!r} and {other!r}"
    return ", ".join(
        f"{key} {mine.get(key)!r} and {other.get(key)!r}"
        for key in dict.fromkeys([*mine, *other])
        if mine.get(key) != other.get(key) or (key in mine) != (key in other)
    )


def read_against(path: Path) -> Figures:
    """The figures of a result of this benchmark. Raises `ConfigurationError` if there is none at `path`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        figures: Figures = document["figures"]
        if document["benchmark"] != "suite" or not {"protocol", "tasks"} <= figures.keys():
            raise ValueError(f"it is of {document['benchmark']!r}")
        if not {"evaluation_seeds", "training_seeds"} <= figures["protocol"].keys():
            raise ValueError("its protocol has no seeds")
        if not all({*_SAME, "policies"} <= told.keys() for told in figures["tasks"].values()):
            raise ValueError(f"a task lacks one of {', '.join((*_SAME, 'policies'))}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"against must be a result of this version of benchmarks.suite, got {path}: {error}; "
            "the command without --policy makes one"
        ) from None
    return figures


def _committed(name: str, asked: str) -> Path:
    """The committed result of the protocol `name`, `asked` for so. Raises `ConfigurationError` if there is none."""
    path = RESULTS / f"suite-{name}.json"
    if not path.exists():
        raise ConfigurationError(
            f"no result of protocol {name!r} is committed; `python -m benchmarks.suite --protocol "
            f"{shlex.quote(asked)} --json FILE` plays all of ours, and --against FILE names what it wrote"
        )
    return path


def show(console: Console, figures: Figures) -> None:
    """Print the ranking over all tasks, what failed, and the tasks without headroom."""
    board = figures["boards"]["all tasks"]
    headings = ("policy", "IQM of normalised scores", "better than best-fixed", "mean [bit/s/Hz]")
    table = new_table("rank", *headings, title=f"{len(board['tasks'])} tasks", numbers=True)
    for name, entry in board["entries"].items():
        score, better = entry.get("normalised"), entry.get("improvement", {}).get("best-fixed")
        table.add_row(
            str(entry["rank"] or entry["kind"] if not entry["failed"] else "failed"),
            escape(name),
            f"{score['iqm']:.2f} ({score['low']:.2f} to {score['high']:.2f})" if score else "-",
            f"{better['probability']:.0%}" if better else "-",
            f"{entry['mean']:.2f}" if "mean" in entry else "-",
        )
    console.print(table)
    for name, entry in board["entries"].items():
        for task, reason in entry["failed"].items():
            console.print(f"{name} failed in {task}: {reason}", markup=False, highlight=False)
    if without := [name for name in board["tasks"] if name not in board["normalised_tasks"]]:
        console.print(f"too little headroom for normalised scores: {', '.join(without)}", highlight=False)


def main(
    protocol: Annotated[
        str, typer.Option(help=f"what is played: {', '.join(protocol_names())}, or the path of a TOML file")
    ] = "quick",
    policy: Annotated[
        list[str] | None,
        typer.Option(help="plays alone: a name, module:object, or the folder of a trained one; may be repeated"),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="result whose policies stand beside those of --policy; the committed one by default"),
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="tasks of this environment alone; may be repeated")] = None,
    task: Annotated[list[str] | None, typer.Option(help="this task alone; may be repeated")] = None,
    jobs: Annotated[int, typer.Option(help="processes that play side by side, 1 or more")] = 1,
    engine_name: Annotated[
        str, typer.Option("--engine", help=f"where jobs are played: {', '.join(ENGINES)}; ray needs the extra ray")
    ] = "processes",
    address: Annotated[
        str | None, typer.Option(help="of a Ray cluster, such as auto; by default one on this machine")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="folder of outcomes, to go on with (runs/suite-PROTOCOL)")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="result (runs/suite-PROTOCOL.json; -policy.json with --policy)")
    ] = None,
) -> None:
    """Play all policies, or those of --policy, on the tasks of a protocol, and rank them."""
    check_number("jobs", jobs, 1, 256, integer=True)
    play = _engine(engine_name, jobs, address)
    if against is not None and not policy:
        raise ConfigurationError(f"against is for --policy, got {as_text(against)!r} without it")
    chosen, console = read_protocol(protocol), new_console()
    tasks = chosen.select(env or [], task or [])
    place = folder or Path("runs") / f"suite-{chosen.name}"
    path = json_path or Path("runs") / f"suite-{chosen.name}{'-policy' if policy else ''}.json"
    others = read_against(against or _committed(chosen.name, protocol)) if policy else None
    arguments = {
        "protocol": protocol,
        "policy": [as_text(one) for one in policy or []],
        "against": None if against is None else as_text(against),
        "env": env or [],
        "task": task or [],
        "jobs": jobs,
        "engine": engine_name,
    }
    origin = provenance(arguments, seed=chosen.seed, device=choose_device("auto"))
    with telling_how_to_go_on(lambda: f"the same command goes on from {place}"), progress(console) as report:
        outcomes = RunFolder(place, _telling(console))
        figures = run(chosen, tasks, policy or [], others, outcomes, play, report)
    write_result(path, "suite", figures, origin)
    show(console, figures)
    console.print(f"wrote {path}")


def _telling(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_command(main)
