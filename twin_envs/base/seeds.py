"""Seeds: nothing is trained or chosen on those that policies are evaluated on."""

from __future__ import annotations

from twin_envs.base.errors import check_number

EVALUATION_SEED = 1_000_000
"""Evaluation seeds are from here on, training seeds below."""
_SEEDS_EACH = 10_000


def training_seeds(seed: int, count: int) -> range:
    """`count` seeds for training and for choosing constants, below `EVALUATION_SEED`; `seed` is from 0 to 99."""
    _check(seed, count)
    return range(seed * _SEEDS_EACH, seed * _SEEDS_EACH + count)


def evaluation_seeds(seed: int, count: int) -> range:
    """`count` seeds that nothing is chosen on, from `EVALUATION_SEED` on; `seed` is from 0 to 99."""
    _check(seed, count)
    first = EVALUATION_SEED + seed * _SEEDS_EACH
    return range(first, first + count)


def _check(seed: int, count: int) -> None:
    check_number("seed", seed, 0, EVALUATION_SEED // _SEEDS_EACH - 1, integer=True)
    check_number("episodes", count, 1, _SEEDS_EACH, integer=True)
