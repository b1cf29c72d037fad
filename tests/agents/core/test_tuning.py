import itertools

import numpy as np
import pytest
from toy_task import make_toys

from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.core.tuning import choose
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import check_training_seed, evaluation_seeds, training_seeds


class Nearest:
    """Takes the action nearest to what is wanted, `off` by some."""

    def __init__(self, off):
        self.off = off
        self.rows = []

    def attach(self, network):
        self.rows.append(network.num_envs)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.clip(np.round(observation[:, 0] * 3 + self.off), 0, 3).astype(np.int64), state


def toys(count):
    return make_toys("toy", count)


def test_best_candidate_is_found_and_the_worse_ones_play_less():
    candidates = {off: Nearest(off) for off in np.linspace(-2.0, 2.0, 17).tolist()}
    told = []
    choice = choose(candidates, toys, range(16), told.append)
    assert choice.best == 0.0
    assert next(iter(choice.returns)) == 0.0
    assert set(choice.returns) == set(candidates)
    assert len(candidates[-2.0].rows) == 1
    assert len(candidates[0.0].rows) == 4
    assert (choice.episodes[-2.0], choice.episodes[0.0]) == (2, 16)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_returns_are_those_of_the_candidates_alone():
    candidates = {action: FixedPolicy(action) for action in range(3)}
    choice = choose(candidates, toys, range(5, 13))
    for action, mean in choice.returns.items():
        assert mean == pytest.approx(play(FixedPolicy(action), toys(8), range(5, 13)).returns.mean(), rel=1e-6)
    assert choice.returns[choice.best] == max(choice.returns.values())


def test_one_seed_is_enough_and_none_is_not():
    candidates = {off: Nearest(off) for off in (1.0, 0.0)}
    assert choose(candidates, toys, [3]).best == 0.0
    for what, seeds in (({}, [1]), (candidates, [])):
        with pytest.raises(ConfigurationError, match="candidates and seeds"):
            choose(what, toys, seeds)


SEEDS = [*range(100), 100, 101, 199, 200, 5_000, 214_748, 2**31, 2**63, 10**30]


def test_training_and_evaluation_seeds_never_meet_and_differ_from_seed_to_seed():
    training, evaluation = ([seeds(seed, 10_000) for seed in SEEDS] for seeds in (training_seeds, evaluation_seeds))
    for kind in (training, evaluation):
        assert len({seeds[0] for seeds in kind}) == len(SEEDS)
        assert all(len(seeds) == 10_000 and seeds[-1] < 2**63 for seeds in kind)
    ordered = sorted([*training, *evaluation], key=lambda seeds: seeds[0])
    assert all(one[-1] < other[0] for one, other in itertools.pairwise(ordered))
    for wrong in ((-1, 1), (2.5, 1), (0, 0), (0, 10_001)):
        with pytest.raises(ConfigurationError, match=r"(seed|episodes) must be"):
            training_seeds(*wrong)


def test_seeds_of_published_results_stay():
    assert training_seeds(0, 64) == range(64)
    assert training_seeds(99, 2) == range(990_000, 990_002)
    assert evaluation_seeds(0, 96) == range(1_000_000, 1_000_096)
    assert evaluation_seeds(99, 2) == range(1_990_000, 1_990_002)
    assert training_seeds(100, 1)[0] == 2_000_000


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_may_begin_with_any_training_seeds_and_with_no_others(seed):
    check_training_seed(training_seeds(seed, 1)[0], 10_000)
    with pytest.raises(ConfigurationError, match=r"seed must be from \d+ to \d+, got"):
        check_training_seed(evaluation_seeds(seed, 1)[0], 1)
