"""Which report period suits which UEs, what there is to gain on which uplink, and how near plans are to the best."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array, FixedPolicy, Policy
from twin_envs.agents.core.rollout import Episodes
from twin_envs.agents.core.tuning import choose
from twin_envs.agents.csi_cell.optimum import OPTIONS, optimal_return
from twin_envs.agents.csi_cell.oracle import HindsightOracle, OraclePlanner
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.base.statistics import interval
from twin_envs.benchmarks.studies.setting import Setting
from twin_envs.benchmarks.suite.figures import headroom
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS

SPEED_CLASSES = {"still": (0.0, 0.5), "walking": (0.5, 2.5), "driving": (2.5, 1e9)}
"""Sensed speeds [m/s]: from, and below."""


def feedback_interval(setting: Setting) -> dict[str, Any]:
    """`FeedbackInterval`: periods by speed, headroom by uplink, and the exact optimum for one UE."""
    uplinks = {f"{share:g} of the uplink": share for share in setting.budget.csi_uplink_shares}
    found = setting.side_by_side(
        {
            **{where: partial(_headroom, csi_uplink_share=share) for where, share in uplinks.items()},
            "one UE": _one_ue,
            "speed": _by_speed,
        }
    )
    return {
        "interval_by_speed": {name: periods_by_speed(setting.runs[name]) for name in setting.drawn},
        "best_fixed_by_speed": found["speed"],
        "headroom_by_uplink": {str(share): found[where] for where, share in uplinks.items()},
        "one_ue": found["one UE"],
    }


def _by_speed(setting: Setting) -> dict[str, Any]:
    """Where the uplink carries every report that is asked for: which fixed period is best for UEs of which speed?"""
    seeds = evaluation_seeds(setting.seed, setting.budget.episodes)
    envs = setting.envs(len(seeds), num_ue=4, csi_uplink_share=1.0, episode_slots=400)
    return best_fixed_by_speed(
        {
            period: setting.evaluate(f"fixed-{period}", _fixed(period), envs, seeds)
            for period in setting.budget.periods_slots
        }
    )


def _headroom(setting: Setting, csi_uplink_share: float) -> dict[str, Any]:
    """What the best fixed period, the planner with the twin and the oracle earn on one uplink."""
    evaluation = evaluation_seeds(setting.seed, setting.budget.episodes)
    choice = choose(
        {period: _fixed(period) for period in setting.budget.periods_slots},
        lambda count: setting.envs(count, csi_uplink_share=csi_uplink_share),
        training_seeds(setting.seed, setting.budget.episodes),
        partial(setting.progress, "choosing the fixed period"),
    )
    envs = setting.envs(len(evaluation), csi_uplink_share=csi_uplink_share)
    best = _fixed(choice.best)
    policies = {"best-fixed": best, "twin": TwinPlanner(), "oracle": HindsightOracle([best, OraclePlanner()])}
    runs = {name: setting.evaluate(name, policy, envs, evaluation) for name, policy in policies.items()}
    generator = np.random.default_rng(setting.seed)
    return {
        "best_period_slots": choice.best,
        "policies": {name: interval(run.returns, generator) for name, run in runs.items()},
        "headroom": headroom(runs["best-fixed"], runs["oracle"]),
    }


def _one_ue(setting: Setting) -> dict[str, Any]:
    """How near the planners come to the exact optimum, which can be found for one UE (`agents.csi_cell.optimum`)."""
    seeds = evaluation_seeds(setting.seed, setting.budget.optimum_episodes)
    free = {name: value for name, value in setting.options.items() if name not in OPTIONS}
    settings = {**free, "episode_slots": setting.budget.optimum_slots}
    optimum = []
    for count, episode in enumerate(seeds):
        setting.progress("the optimum for one UE", count / len(seeds))
        optimum.append(optimal_return(episode, **settings))
    envs = make_envs(setting.env, len(seeds), **settings, **OPTIONS)
    policies = {**contenders(setting.env, envs).fixed, "twin": TwinPlanner(), "oracle": OraclePlanner()}
    means = {
        name: float(setting.evaluate(name, policy, envs, seeds).returns.mean()) for name, policy in policies.items()
    }
    return {"options": {**settings, **OPTIONS}, "episodes": len(seeds), "optimum": float(np.mean(optimum)), **means}


def _fixed(period_slots: int) -> Policy:
    return FixedPolicy(REPORT_PERIODS_SLOTS.index(period_slots))


def _in_class(speed_m_s: Array, name: str) -> Array:
    low, high = SPEED_CLASSES[name]
    return (speed_m_s >= low) & (speed_m_s < high)


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
        chosen = period[where & _in_class(run.steps["speed"], speed)]
        if len(chosen):
            low, median, high = (float(q) for q in np.quantile(chosen, (0.25, 0.5, 0.75)))
            result.setdefault(speed, {})[name] = {
                "median_slots": median,
                "low_quartile_slots": low,
                "high_quartile_slots": high,
                "decisions": len(chosen),
            }
    return result


def contribution(run: Episodes) -> tuple[Array, Array]:
    """What each UE added to its episode's return, and its mean sensed speed; float64 [N, U] each."""
    steps = run.steps
    added, speed, decisions = (np.zeros((len(run.seeds), steps["by_ue"].shape[1])) for _ in range(3))
    np.add.at(added, steps["episode"], steps["by_ue"])
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
            chosen = added[_in_class(speed, name)]
            if len(chosen):
                mean[period] = float(chosen.mean())
        if mean:
            result[name] = {
                "best_period_slots": max(mean, key=lambda period: mean[period]),
                "mean_contribution": {str(period): value for period, value in mean.items()},
            }
    return result
