"""What episodes say about the policies that made them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from agents.policies import Array
from benchmarks.rollout import Episodes
from benchmarks.statistics import interval, paired_difference
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS

SPEED_CLASSES = {"still": (0.0, 0.5), "walking": (0.5, 2.5), "driving": (2.5, 1e9)}
"""Sensed speeds [m/s]: from, and below."""
DRAWN = ("doppler", "twin", "ppo", "oracle")
"""Policies whose decisions a report draws."""
COMPARISONS = (
    ("best-fixed", "random"),
    ("doppler", "best-fixed"),
    ("twin", "best-fixed"),
    ("ppo", "best-fixed"),
    ("oracle", "best-fixed"),
    ("twin", "doppler"),
    ("ppo", "twin"),
    ("oracle", "twin"),
)


def in_class(speed_m_s: Array, name: str) -> Array:
    """Which speeds are in the class `name` of `SPEED_CLASSES`."""
    low, high = SPEED_CLASSES[name]
    return (speed_m_s >= low) & (speed_m_s < high)


def scores(runs: dict[str, Episodes], generator: np.random.Generator) -> dict[str, Any]:
    """Mean return of each policy, and the paired differences `COMPARISONS`, with intervals."""
    return {
        "policies": {name: interval(run.returns, generator) for name, run in runs.items()},
        "paired": {
            f"{a} - {b}": paired_difference(runs[a].returns, runs[b].returns, generator) for a, b in COMPARISONS
        },
        "headroom": headroom(runs["best-fixed"], runs["oracle"]),
    }


def headroom(best_fixed: Episodes, oracle: Episodes) -> float:
    """By which share the oracle beats the best fixed period."""
    return float(oracle.returns.mean() / best_fixed.returns.mean() - 1.0)


def periods_by_speed(run: Episodes) -> dict[str, dict[str, Any]]:
    """Median report period that a policy chose, by sensed speed and by line of sight as the twin knows it.

    A class that had no decision is left out; a UE that the twin does not know counts for neither `los` nor `nlos`.
    """
    period = np.array(REPORT_PERIODS_SLOTS)[run.steps["action"]]
    known = run.steps["known"] > 0
    los = run.steps["twin_los_probability"] >= 0.5
    sight = {"all": np.ones_like(known), "los": known & los, "nlos": known & ~los}
    result: dict[str, dict[str, Any]] = {}
    for (name, where), speed in itertools.product(sight.items(), SPEED_CLASSES):
        chosen = period[where & in_class(run.steps["speed"], speed)]
        if len(chosen):
            quartiles = np.quantile(chosen, (0.25, 0.5, 0.75))
            low, median, high = (float(q) for q in quartiles)
            result.setdefault(speed, {})[name] = {
                "median_slots": median,
                "low_quartile_slots": low,
                "high_quartile_slots": high,
                "decisions": len(chosen),
            }
    return result


def contribution(run: Episodes) -> tuple[Array, Array]:
    """What each UE added to its episode's return, and its mean sensed speed; float64 [N, U] each.

    The contribution is what was delivered to the UE less what its own reports cost; an episode's contributions add up
    to its return.
    """
    steps, num_ue = run.steps, run.steps["share"].shape[1]
    shape = (len(run.seeds), num_ue)
    added, speed, decisions = (np.zeros(shape) for _ in range(3))
    np.add.at(added, steps["episode"], steps["delivered"][:, None] * steps["share"])
    np.add.at(added, (steps["episode"], steps["ue"]), -(steps["pilot_cost"] + steps["feedback_cost"]))
    np.add.at(speed, (steps["episode"], steps["decided_ue"]), steps["speed"])
    np.add.at(decisions, (steps["episode"], steps["decided_ue"]), 1.0)
    return added, speed / np.maximum(decisions, 1.0)


def best_fixed_by_speed(runs: dict[int, Episodes]) -> dict[str, dict[str, Any]]:
    """For each speed class the mean contribution of a UE under each fixed period [slots], and the period that is best.

    UEs are sorted into classes by the mean of their sensed speed; all UEs of a cell have the same period.
    """
    result: dict[str, dict[str, Any]] = {}
    for name in SPEED_CLASSES:
        mean = {}
        for period, run in runs.items():
            added, speed = contribution(run)
            chosen = added[in_class(speed, name)]
            if len(chosen):
                mean[period] = float(chosen.mean())
        if mean:
            result[name] = {
                "best_period_slots": max(mean, key=lambda period: mean[period]),
                "mean_contribution": {str(period): value for period, value in mean.items()},
            }
    return result


def trace(runs: dict[str, Episodes]) -> dict[str, Array]:
    """Arrays for drawing, `{policy}/{field}`: every decision of the policies `DRAWN`."""
    arrays: dict[str, Array] = {}
    for name in DRAWN:
        run = runs[name]
        arrays[f"{name}/period_slots"] = np.array(REPORT_PERIODS_SLOTS)[run.steps["action"]]
        for field in ("speed", "known", "twin_los_probability", "similarity", "csi_age_slots"):
            arrays[f"{name}/{field}"] = run.steps[field]
    return arrays
