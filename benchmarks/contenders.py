"""The policies that are compared, their constants chosen on training seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.heuristics import DopplerRule, tune_doppler
from agents.policies import FixedPolicy, Policy
from benchmarks.rollout import evaluate
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.errors import check_number

EVALUATION_SEED = 1_000_000
"""Evaluation seeds are from here on, training seeds below."""
_SEEDS_EACH = 10_000
Progress = Callable[[str, float], None]
"""Called with what is being done, and the share of it that is."""


def training_seeds(seed: int, count: int) -> range:
    """`count` seeds for choosing constants, below `EVALUATION_SEED`."""
    _check(seed, count)
    return range(seed * _SEEDS_EACH, seed * _SEEDS_EACH + count)


def evaluation_seeds(seed: int, count: int) -> range:
    """`count` seeds that nothing is chosen on, from `EVALUATION_SEED` on."""
    _check(seed, count)
    first = EVALUATION_SEED + seed * _SEEDS_EACH
    return range(first, first + count)


def _check(seed: int, count: int) -> None:
    check_number("seed", seed, 0, EVALUATION_SEED // _SEEDS_EACH - 1, integer=True)
    check_number("episodes", count, 1, _SEEDS_EACH, integer=True)


def fixed_policies() -> dict[int, Policy]:
    """The policy of each fixed report period [slots]."""
    return {period: FixedPolicy(action) for action, period in enumerate(REPORT_PERIODS_SLOTS)}


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Constants that did best on training seeds.

    Attributes:
        period_slots: the best fixed period.
        doppler: the best Doppler rule.
        fixed_returns, doppler_returns: mean return of each period and of each constant [bit/s/Hz].
    """

    period_slots: int
    doppler: DopplerRule
    fixed_returns: dict[int, float]
    doppler_returns: dict[float, float]


def choose_period(
    envs: TaskVectorEnv, seeds: Sequence[int], progress: Progress, periods: Sequence[int] = REPORT_PERIODS_SLOTS
) -> tuple[int, dict[int, float]]:
    """The fixed period [slots] with the best mean return over episodes `seeds`, and the mean return of each."""
    returns = {}
    for count, period in enumerate(periods):
        progress("choosing the fixed period", count / len(periods))
        returns[period] = float(evaluate(fixed_policies()[period], envs, seeds).returns.mean())
    progress("choosing the fixed period", 1.0)
    return max(returns, key=lambda period: returns[period]), returns


def choose(envs: TaskVectorEnv, seeds: Sequence[int], constants: Sequence[float], progress: Progress) -> Chosen:
    """The best fixed period and the best of the Doppler rules with `constants` over episodes `seeds` of `envs`."""
    period_slots, fixed_returns = choose_period(envs, seeds, progress)
    tried = 0

    def mean_return(rule: DopplerRule) -> float:
        nonlocal tried
        progress("tuning the Doppler rule", tried / len(constants))
        tried += 1
        return float(evaluate(rule, envs, seeds).returns.mean())

    doppler, doppler_returns = tune_doppler(mean_return, constants)
    progress("tuning the Doppler rule", 1.0)
    return Chosen(
        period_slots=period_slots, doppler=doppler, fixed_returns=fixed_returns, doppler_returns=doppler_returns
    )
