"""The exact optimum for one UE, against what can be played."""

from collections.abc import Iterator

import numpy as np
import pytest

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.optimum import OPTIONS, optimal_return
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.faces.vector import TaskVectorEnv

SLOTS = 100
SETTING = {"tdd_pattern": "D" * 19 + "U", "population": "vehicles"}


def play_actions(envs: TaskVectorEnv, seed: int, actions: tuple[int, ...]) -> float:
    envs.reset(seed=seed)
    total = 0.0
    for action in actions:
        _, reward, _, truncated, _ = envs.step(np.array([action]))
        total += reward[0]
        if truncated[0]:
            return total
    raise AssertionError("the episode did not end")


def sequences(now: int = 0) -> Iterator[tuple[int, ...]]:
    """All sequences of actions from slot `now` to the end, of those with which a report comes at the same time one.

    An uplink slot in 20: a report comes in the first of the slots 19, 39, ... in which it is due.
    """
    if now >= SLOTS:
        yield ()
        return
    arrivals = {(now + period) // 20 * 20 + 19: action for action, period in enumerate(REPORT_PERIODS_SLOTS)}
    never = min(arrival for arrival in arrivals if arrival >= SLOTS)
    for arrival, action in arrivals.items():
        if arrival < SLOTS or arrival == never:
            yield from ((action, *rest) for rest in sequences(arrival))


def test_no_sequence_of_periods_beats_the_optimum_and_one_reaches_it() -> None:
    """Five report times after the first: every sequence can be played."""
    envs = make_envs("FeedbackInterval", 1, autoreset_mode="Disabled", episode_slots=SLOTS, **OPTIONS, **SETTING)
    played = list(sequences())
    assert len(played) > 20
    best = max(play_actions(envs, 3, sequence) for sequence in played)
    assert optimal_return(3, episode_slots=SLOTS, **SETTING) == pytest.approx(best, rel=1e-5)


def test_the_oracles_planner_stays_below_the_optimum_and_near_it() -> None:
    seeds, options = range(20, 26), {"episode_slots": 160, **SETTING}
    returns = play(OraclePlanner(), make_envs("FeedbackInterval", 6, **OPTIONS, **options), seeds).returns
    optimum = np.array([optimal_return(seed, **options) for seed in seeds])
    assert (returns <= optimum * (1 + 1e-4)).all()
    assert returns.mean() > 0.9 * optimum.mean()


def test_options_that_make_the_optimum_inexact_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="num_ue must be 1"):
        optimal_return(0, num_ue=2, episode_slots=SLOTS, **SETTING)
