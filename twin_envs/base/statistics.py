"""How sure means are."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import bootstrap

from twin_envs.base.errors import ConfigurationError

CONFIDENCE = 0.95
RESAMPLES = 9999
Array = np.ndarray[Any, Any]


def interval(scores: Array, generator: np.random.Generator) -> dict[str, float]:
    """Mean of independent scores [N] and its 95 % bootstrap interval: `{"mean", "low", "high"}`.

    Bias-corrected and accelerated (Efron, "Better bootstrap confidence intervals", 1987). Scores that are all equal
    have an interval of no width.

    Raises:
        ConfigurationError: fewer than 2 scores, or one that is not finite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < 2 or not np.isfinite(scores).all():
        raise ConfigurationError(f"scores must be 2 finite numbers or more, got {scores!r}")
    mean = float(scores.mean())
    if np.ptp(scores) <= 1e-12 * max(abs(mean), 1e-300):
        return {"mean": mean, "low": mean, "high": mean}
    result = bootstrap(
        (scores,), np.mean, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, vectorized=True, rng=generator
    )
    low, high = result.confidence_interval
    return {"mean": mean, "low": float(low), "high": float(high)}


def paired_difference(a: Array, b: Array, generator: np.random.Generator) -> dict[str, float]:
    """Mean of a - b over episodes with the same seeds, [N] each, and its 95 % interval, as `interval` gives it.

    Raises:
        ConfigurationError: the shapes differ, or as for `interval`.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ConfigurationError(f"paired scores must be of one shape, got {a.shape} and {b.shape}")
    return interval(a - b, generator)
