"""Seeds: nothing is trained or chosen on those that policies are evaluated on."""

from __future__ import annotations

from twin_envs.base.errors import check_number

EVALUATION_SEED = 1_000_000
"""Of every two million seeds the first million is for training, and those from here on are for evaluation."""
_SEEDS_EACH = 10_000
_ROUND = 2 * EVALUATION_SEED
_ROUNDS = 2**40
"""So often seeds go on in further millions, all below 2**63, before a seed has those of a smaller one again."""


def training_seeds(seed: int, count: int) -> range:
    """`count` seeds for training and for choosing constants, 1 to 10,000; others for any other `seed` from 0 on."""
    first = _first(seed, count)
    return range(first, first + count)


def evaluation_seeds(seed: int, count: int) -> range:
    """`count` seeds that nothing is trained or chosen on, whatever `seed` that was with."""
    first = EVALUATION_SEED + _first(seed, count)
    return range(first, first + count)


def check_training_seed(seed: int, count: int) -> None:
    """Raise `ConfigurationError` unless the `count` seeds from `seed` on are all for training."""
    check_number("seed", seed, 0, integer=True)
    first = seed // _ROUND * _ROUND
    check_number("seed", seed, first, first + EVALUATION_SEED - count, integer=True)


def _first(seed: int, count: int) -> int:
    check_number("seed", seed, 0, integer=True)
    check_number("episodes", count, 1, _SEEDS_EACH, integer=True)
    rounds, place = divmod(seed, EVALUATION_SEED // _SEEDS_EACH)
    return rounds % _ROUNDS * _ROUND + place * _SEEDS_EACH
