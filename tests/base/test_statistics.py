import math

import numpy as np
import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.statistics import interval, paired_difference


def generator(seed=0):
    return np.random.default_rng(seed)


def test_interval_of_normal_scores_is_that_of_the_normal_distribution():
    scores = generator().normal(10.0, 2.0, 400)
    found = interval(scores, generator())
    half = 1.96 * scores.std() / math.sqrt(400)
    assert found["mean"] == pytest.approx(scores.mean(), abs=1e-12)
    assert found["low"] == pytest.approx(scores.mean() - half, abs=0.05 * half)
    assert found["high"] == pytest.approx(scores.mean() + half, abs=0.05 * half)


def test_intervals_cover_the_true_mean_in_95_of_100_samples():
    draw = generator(1)
    covered = 0
    for _ in range(200):
        found = interval(draw.normal(0.0, 1.0, 60), draw)
        covered += found["low"] <= 0.0 <= found["high"]
    # Binomial with mean 190 and standard deviation 3.1, a little fewer as 60 scores are few.
    assert 178 <= covered <= 200


def test_interval_leans_to_the_long_tail():
    scores = generator().exponential(1.0, 50)
    found = interval(scores, generator())
    assert found["high"] - found["mean"] > 1.1 * (found["mean"] - found["low"])


def test_paired_difference_removes_what_episodes_share():
    shared = generator(1).normal(0.0, 10.0, 100)
    noise = generator(2).normal(0.0, 0.1, (2, 100))
    a, b = shared + 0.5 + noise[0], shared + noise[1]
    found = paired_difference(a, b, generator())
    assert found["mean"] == pytest.approx(a.mean() - b.mean())
    # The difference has a standard error of 0.1 sqrt(2) / 10 = 0.014; unpaired it would be 1.4.
    assert 0.4 < found["low"] < 0.5 + 0.03
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.01414, rel=0.3)


def test_same_generator_same_interval():
    scores = generator(3).normal(size=30)
    assert interval(scores, generator(4)) == interval(scores, generator(4))
    assert interval(scores, generator(4)) != interval(scores, generator(5))


def test_equal_scores_have_an_interval_of_no_width():
    assert interval(np.full(8, 0.1), generator()) == {"mean": 0.1, "low": 0.1, "high": 0.1}
    assert interval(np.zeros(8), generator()) == {"mean": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize("scores", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_scores_that_have_no_interval_are_refused(scores):
    with pytest.raises(ConfigurationError, match="scores must be"):
        interval(np.array(scores), generator())


def test_pairs_of_different_length_are_refused():
    with pytest.raises(ConfigurationError, match="of one shape"):
        paired_difference(np.zeros(3), np.zeros(1), generator())
