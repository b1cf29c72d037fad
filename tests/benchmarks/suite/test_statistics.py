"""Statistics over tasks, against what they are by definition."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.suite import statistics
from twin_envs.benchmarks.suite.statistics import LEAST_HEADROOM


def rng():
    return np.random.default_rng(0)


def test_the_interquartile_mean_is_that_of_the_middle_half():
    scores = rng().normal(size=40)
    assert statistics.interquartile_mean(scores) == pytest.approx(np.sort(scores)[10:30].mean())
    scores[scores.argmax()] = 1e9  # an outlier moves nothing
    assert statistics.interquartile_mean(scores) < 1.0


def test_the_aggregate_is_of_all_episodes_together():
    strata = [rng().normal(size=8), 5.0 + rng().normal(size=8)]
    found = statistics.aggregate(strata, rng())
    assert found["iqm"] == pytest.approx(np.sort(np.concatenate(strata))[4:12].mean())
    assert found["low"] < found["iqm"] < found["high"]


def exact_quantiles(strata, statistic, levels):
    """Of the bootstrap distribution itself: every resample of every stratum, each as likely as the others."""
    by_stratum = [[np.array(draw) for draw in itertools.product(scores, repeat=len(scores))] for scores in strata]
    values = [statistic(draws) for draws in itertools.product(*by_stratum)]
    return np.quantile(values, levels, method="inverted_cdf"), np.unique(np.round(values, 9))


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_resampling_keeps_to_the_tasks(spread):
    """Against all resamples, counted out. Two tasks far from each other: without strata the interval would be wide."""
    strata = [np.array([0.0, spread, 2 * spread]), np.array([100.0, 100.0 + spread, 100.0 + 3 * spread])]

    def iqm(draws):
        scores = np.sort(np.concatenate(draws))
        return scores[1:5].mean()  # six scores: a quarter of them is one

    found = statistics.aggregate(strata, rng())
    (low, high), values = exact_quantiles(strata, iqm, (0.025, 0.975))
    step = np.diff(values).max(initial=0.0)
    assert found["low"] == pytest.approx(low, abs=step + 1e-9)
    assert found["high"] == pytest.approx(high, abs=step + 1e-9)


def test_improvement_counts_pairs_and_ties_half():
    a = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0])]
    b = [np.array([0.0, 2.0, 5.0, 1.0]), np.array([0.0, 0.0])]
    assert statistics.improvement(a, b, rng())["probability"] == pytest.approx((2.5 / 4 + 1.0) / 2)
    assert statistics.improvement(b, a, rng())["probability"] == pytest.approx(1 - (2.5 / 4 + 1.0) / 2)
    assert statistics.improvement(a, a, rng()) == {"probability": 0.5, "low": 0.5, "high": 0.5}


def test_improvement_has_the_interval_of_a_share():
    wins = rng().random((2, 400)) < 0.7
    a, b = [np.where(won, 1.0, 0.0) for won in wins], [np.full(400, 0.5)] * 2
    found = statistics.improvement(a, b, rng())
    half = norm.ppf(0.975) * np.sqrt(0.25 * sum(won.var() / 400 for won in wins))
    assert found["probability"] == pytest.approx(wins.mean())
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.1)


def test_improvement_is_of_pairs_alone():
    with pytest.raises(ConfigurationError, match="same shapes"):
        statistics.improvement([np.zeros(3)], [np.zeros(4)], rng())


def test_a_profile_counts_what_is_above_and_weighs_tasks_alike():
    strata = [np.array([0.0, 0.5, 1.0, 1.0]), np.array([2.0, 2.0])]
    assert statistics.profile(strata, [-1.0, 0.0, 0.5, 1.0, 3.0]) == pytest.approx([1.0, 0.875, 0.75, 0.5, 0.0])


def test_normalised_scores_are_0_for_the_best_fixed_choice_and_1_for_the_oracle():
    fixed, noise = 10.0 + rng().normal(size=50), 0.1 * rng().normal(size=50)
    oracle = fixed + 2.0 + noise
    assert statistics.headroom(fixed, oracle, rng())["mean"] == pytest.approx(2.0 + noise.mean())
    assert statistics.normalised(fixed, fixed, oracle) == pytest.approx(np.zeros(50))
    assert statistics.normalised(oracle, fixed, oracle).mean() == pytest.approx(1.0)
    assert statistics.normalised((fixed + oracle) / 2, fixed, oracle).mean() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("gain", "noise", "enough"),
    [(2 * LEAST_HEADROOM, 0, True), (LEAST_HEADROOM / 2, 0, False), (2 * LEAST_HEADROOM, 1, False), (-0.1, 0, False)],
)
def test_there_is_headroom_where_the_oracle_is_surely_better_by_enough(gain, noise, enough):
    fixed = np.full(20, 10.0)
    oracle = fixed * (1.0 + gain) + noise * rng().normal(size=20)
    assert (statistics.headroom(fixed, oracle, rng()) is not None) == enough
