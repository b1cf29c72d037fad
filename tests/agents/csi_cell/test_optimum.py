"""The exact optimum for one UE, against what can be played."""

import itertools

import numpy as np
import pytest

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.optimum import OPTIONS, optimal_return
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.faces.vector import TaskVectorEnv

SETTING = {"episode_slots": 160, "tdd_pattern": "D" * 19 + "U", "population": "vehicles"}


def play_actions(envs: TaskVectorEnv, seed: int, actions: tuple[int, ...]) -> float:
    envs.reset(seed=seed)
    total = 0.0
    for action in actions:
        _, reward, _, truncated, _ = envs.step(np.array([action]))
        total += reward[0]
        if truncated[0]:
            return total
    raise AssertionError("the episode did not end")


def test_no_sequence_of_periods_beats_the_optimum_and_one_reaches_it() -> None:
    """Three report times after the first: every sequence can be played. Periods up to 40 slots are one and the same."""
    envs = make_envs("FeedbackInterval", 1, autoreset_mode="Disabled", **OPTIONS, **SETTING)
    distinct = [REPORT_PERIODS_SLOTS.index(period) for period in (40, 80, 160)]
    best = max(play_actions(envs, 3, sequence) for sequence in itertools.product(distinct, repeat=4))
    assert optimal_return(3, **SETTING) == pytest.approx(best, rel=1e-4)


def test_the_oracles_planner_stays_below_the_optimum_and_near_it() -> None:
    seeds = range(20, 26)
    returns = play(OraclePlanner(), make_envs("FeedbackInterval", 6, **OPTIONS, **SETTING), seeds).returns
    optimum = np.array([optimal_return(seed, **SETTING) for seed in seeds])
    assert (returns <= optimum * (1 + 1e-4)).all()
    assert returns.mean() > 0.9 * optimum.mean()


def test_options_that_make_the_optimum_inexact_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="num_ue must be 1"):
        optimal_return(0, num_ue=2, **SETTING)
