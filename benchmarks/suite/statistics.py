"""How policies compare over tasks whose scales differ, and how sure that is.

Scores come in strata: one array of episodes [N] for each task. Episodes of one task have the same seeds for every
policy. Interquartile means, stratified bootstrap, probability of improvement and performance profiles are those of
Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021; here an episode is what a
run is there, and improvement is counted in pairs of the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import bootstrap, ecdf, trim_mean

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.statistics import CONFIDENCE, Array, paired_difference

LEAST_HEADROOM = 0.01
"""Share of the best fixed choice's mean by which the oracle must be better at the lower end of the interval of their
paired difference. With less, normalised scores would divide by what is little more than noise."""
RESAMPLES = 2000
_QUARTER = 0.25
Strata = Sequence[Array]


def interquartile_mean(scores: Array, axis: int = -1) -> Array:
    """Mean of the middle half of the scores."""
    middle: Array = trim_mean(scores, _QUARTER, axis=axis)
    return middle


def aggregate(strata: Strata, generator: np.random.Generator) -> dict[str, float]:
    """Interquartile mean over the episodes of all tasks together, and its interval: `{"iqm", "low", "high"}`."""

    def statistic(*samples: Array, axis: int = -1) -> Array:
        return interquartile_mean(np.concatenate(samples, axis), axis)

    return {"iqm": float(statistic(*strata)), **_interval(strata, statistic, generator)}


def improvement(a: Strata, b: Strata, generator: np.random.Generator) -> dict[str, float]:
    """Probability that `a` earns more than `b` in an episode, ties counted half: `{"probability", "low", "high"}`.

    The mean over tasks of the share of episodes, which are paired by their seeds.

    Raises:
        ConfigurationError: the strata of `a` and `b` are not of the same shapes.
    """
    if [one.shape for one in a] != [other.shape for other in b]:
        raise ConfigurationError("paired strata must be of the same shapes")
    wins = [(np.sign(one - other) + 1.0) / 2.0 for one, other in zip(a, b, strict=True)]

    def statistic(*samples: Array, axis: int = -1) -> Array:
        mean: Array = np.mean([np.mean(sample, axis) for sample in samples], axis=0)
        return mean

    return {"probability": float(statistic(*wins)), **_interval(wins, statistic, generator)}


def profile(strata: Strata, thresholds: Sequence[float]) -> list[float]:
    """Performance profile: the mean over tasks of the share of episodes that score more than each threshold."""
    shares = [ecdf(scores).sf.evaluate(np.asarray(thresholds, dtype=float)) for scores in strata]
    mean: list[float] = np.mean(shares, axis=0).tolist()
    return mean


def headroom(best_fixed: Array, oracle: Array, generator: np.random.Generator) -> dict[str, float] | None:
    """By how much the oracle beats the best fixed choice [bit/s/Hz], with interval: `{"mean", "low", "high"}`.

    None where that is too little for normalised scores: see `LEAST_HEADROOM`.

    Args:
        best_fixed, oracle: returns of the same episodes [N].
        generator: of the resampling.
    """
    difference = paired_difference(oracle, best_fixed, generator)
    enough = difference["low"] > 0.0 and difference["low"] >= LEAST_HEADROOM * abs(float(np.mean(best_fixed)))
    return difference if enough else None


def normalised(returns: Array, best_fixed: Array, oracle: Array) -> Array:
    """Scores of episodes [N], 0 for what the best fixed choice earns in the same one; the oracle's have a mean of 1.

    Args:
        returns, best_fixed, oracle: of the same episodes [N], where there is `headroom`.
    """
    return np.asarray((returns - best_fixed) / (np.mean(oracle) - np.mean(best_fixed)))


def _interval(strata: Strata, statistic: Callable[..., Array], generator: np.random.Generator) -> dict[str, float]:
    """The percentile interval over resamples, in each of which every task keeps its number of episodes."""
    found = bootstrap(
        tuple(strata),
        statistic,
        vectorized=True,
        method="percentile",
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        rng=generator,
    ).confidence_interval
    return {"low": float(found.low), "high": float(found.high)}
