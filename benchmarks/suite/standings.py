"""Who stands where: what came of all jobs, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twin_envs.agents.learning.shipped import NAME
from twin_envs.base.statistics import Array, interval
from twin_envs.benchmarks.suite import statistics
from twin_envs.benchmarks.suite.entrants import FIXED

BEST = {"best-rule": "rule", "best-twin": "twin"}
"""Entries of boards over several environments: of each task the policy of that kind that did best on training seeds."""
THRESHOLDS = np.linspace(-1.0, 1.5, 51).tolist()
"""Normalised scores at which performance profiles are told."""
ORACLE = "oracle"
WITH_LEARNED = "tasks with a policy that ships trained"
Figures = dict[str, Any]
Tasks = Mapping[str, Figures]


def standings(tasks: Tasks, seed: int) -> Figures:
    """All figures of the benchmark.

    Args:
        tasks: by name; of each `env`, `variant`, `held_out`, and `policies`, outcomes as `jobs.play_job` gives them.
        seed: of the resampling.

    Returns:
        `tasks`, with `headroom`, `best`, the policy of each kind that did best on training seeds, and `scores`, the
        mean of each policy that did not fail with its interval [bit/s/Hz]; and `boards`, rankings over all tasks, those
        for which a trained policy ships, the sites that are held out and the others, each variant, and each environment.
    """
    scored = {name: _scored(task, seed) for name, task in tasks.items()}
    boards = {title: _board(_of(scored, names), seed) for title, names in _groups(scored).items()}
    return {"tasks": scored, "boards": boards}


def _of(tasks: Tasks, names: Sequence[str]) -> dict[str, Figures]:
    return {name: tasks[name] for name in names}


def _groups(tasks: Tasks) -> dict[str, list[str]]:
    """Names of the tasks of each board, by its title; a group that is all tasks once more is left out."""
    groups: dict[str, list[str]] = {}
    for name, task in tasks.items():
        place = "sites held out" if task["held_out"] else "other sites"
        titles = [place, f"variant {task['variant']}", task["env"]]
        for title in (WITH_LEARNED, *titles) if NAME in task["policies"] else titles:
            groups.setdefault(title, []).append(name)
    order = sorted(
        groups, key=lambda title: (title != WITH_LEARNED, "site" not in title, not title.startswith("variant"))
    )
    return {"all tasks": list(tasks)} | {title: groups[title] for title in order if len(groups[title]) < len(tasks)}


def _scored(task: Figures, seed: int) -> Figures:
    """A task with its headroom, who is best, and scores."""
    returns = _returns(task)
    room = None
    if FIXED in returns and ORACLE in returns:
        room = statistics.headroom(returns[FIXED], returns[ORACLE], np.random.default_rng(seed))
    scores = {name: interval(earned, np.random.default_rng(seed)) for name, earned in returns.items()}
    best = {kind: _best_of(kind, task) for kind in BEST.values()}
    return {**task, "headroom": room, "best": best, "scores": scores}


def _returns(task: Figures) -> dict[str, Array]:
    """Returns [N] of the policies that did not fail."""
    return {name: np.array(out["returns"]) for name, out in task["policies"].items() if "failed" not in out}


def _board(tasks: Tasks, seed: int) -> Figures:
    """A ranking of who plays in all of these tasks.

    Those that fail in none are ranked by the interquartile mean of normalised scores, where any task has them, or else
    by their mean. Oracles have no rank, nor has who fails.
    """
    several = len({task["env"] for task in tasks.values()}) > 1
    lineup = {**_in_all(tasks), **(_best(tasks) if several else {})}
    entries = {entry: _entry(tasks, names) for entry, names in lineup.items()}
    normal = [name for name, task in tasks.items() if task["headroom"]]
    playing = {entry: _strata(tasks, names) for entry, names in lineup.items() if not entries[entry]["failed"]}
    for entry, strata in playing.items():
        told = entries[entry]
        told["mean"] = float(np.mean([np.mean(scores) for scores in strata.values()]))
        if normal:
            scores = [_normalised(tasks[name], strata[name]) for name in normal]
            told["normalised"] = statistics.aggregate(scores, np.random.default_rng(seed))
            told["profile"] = statistics.profile(scores, THRESHOLDS)
        told["improvement"] = {
            other: statistics.improvement([*strata.values()], [*rival.values()], np.random.default_rng(seed))
            for other, rival in playing.items()
            if other != entry
        }
    ranked = sorted(playing, key=lambda entry: -_rank_by(entries[entry]))
    places = iter(range(1, len(ranked) + 1))
    for entry in ranked:
        entries[entry]["rank"] = None if entries[entry]["kind"] == "oracle" else next(places)
    order = [*ranked, *(entry for entry in entries if entry not in playing)]
    return {
        "tasks": list(tasks),
        "normalised_tasks": normal,
        "thresholds": THRESHOLDS,
        "entries": {entry: entries[entry] for entry in order},
    }


def _rank_by(entry: Figures) -> float:
    value: float = entry["normalised"]["iqm"] if "normalised" in entry else entry["mean"]
    return value


def _in_all(tasks: Tasks) -> dict[str, dict[str, str]]:
    """Policies that play in all tasks: their names, which are the same in each."""
    played = [list(task["policies"]) for task in tasks.values()]
    return {name: dict.fromkeys(tasks, name) for name in played[0] if all(name in names for names in played)}


def _best(tasks: Tasks) -> dict[str, dict[str, str]]:
    """By entry of `BEST`, who that is in each task; left out where there is nobody in one of them."""
    found: dict[str, dict[str, str]] = {}
    for entry, kind in BEST.items():
        names = {name: task["best"][kind] for name, task in tasks.items() if task["best"][kind]}
        if len(names) == len(tasks):
            found[entry] = names
    return found


def _best_of(kind: str, task: Figures) -> str | None:
    earned = {
        name: outcome["training_return"]
        for name, outcome in task["policies"].items()
        if outcome["kind"] == kind and "failed" not in outcome
    }
    return max(earned, key=lambda name: earned[name], default=None)


def _entry(tasks: Tasks, names: Mapping[str, str]) -> Figures:
    outcomes = {name: tasks[name]["policies"][policy] for name, policy in names.items()}
    kinds = [outcome["kind"] for outcome in outcomes.values() if "failed" not in outcome]
    failed = {name: outcome["failed"] for name, outcome in outcomes.items() if "failed" in outcome}
    told = {"kind": kinds[0] if kinds else next(iter(outcomes.values()))["kind"], "rank": None, "failed": failed}
    return told | ({"policies": dict(names)} if len({*names.values()}) > 1 else {})


def _strata(tasks: Tasks, names: Mapping[str, str]) -> dict[str, Array]:
    return {name: np.array(tasks[name]["policies"][policy]["returns"]) for name, policy in names.items()}


def _normalised(task: Figures, returns: Array) -> Array:
    earned = _returns(task)
    return statistics.normalised(returns, earned[FIXED], earned[ORACLE])
