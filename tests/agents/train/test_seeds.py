"""Which episodes a training sees: they differ from each other, and from those of its curve and of the evaluation."""

import pytest
import torch
from toy_task import make_toys
from toy_training import train, weights

from twin_envs.agents import train as training
from twin_envs.base.errors import ConfigurationError


@pytest.mark.parametrize("num_envs", [1, 128, 9000, 9001, 65_536])
def test_seeds_of_the_learning_curve_are_above_those_of_the_training(num_envs):
    seeds = training.curve_seeds(5, num_envs)
    assert len(seeds) == training.CURVE_EPISODES
    assert seeds[0] == 5 + max(9000, num_envs)  # the environments begin with 5, ..., 4 + num_envs


def test_seeds_that_would_reach_those_of_the_evaluation_are_refused():
    train("ppo", steps=64, seed=990_996)
    with pytest.raises(ConfigurationError, match=r"seed must be from 0 to 990996, got 990997"):
        train("ppo", seed=990_997)
    with pytest.raises(ConfigurationError, match=r"seed must be from 0 to 990995, got 990996"):
        train("ppo", seed=990_996, num_envs=9001)
    with pytest.raises(ConfigurationError, match=r"seed must be from 2000000 to 2990996, got 3000000"):
        train("ppo", seed=3_000_000)


def test_seeds_of_any_size_tell_trainings_apart():
    large = 2_000_000 * 2**33  # twice as many as NumPy's global generator takes
    first, again, other = (weights(train("ppo", steps=64, seed=seed)[0]) for seed in (large, large, large + 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_environments_begin_with_the_seeds_of_the_training(monkeypatch):
    begun = []
    real = make_toys

    def spying(env, num_envs, **options):
        envs = real(env, num_envs, **options)
        begun.append(envs)
        return envs

    monkeypatch.setattr(training, "make_envs", spying)
    for seed in (7, 2_000_000 * 2**33):
        begun.clear()
        train("ppo", steps=64, seed=seed)
        assert begun[0].np_random_seed == tuple(range(seed, seed + 4))


def test_goes_on_on_other_episodes():
    seeds = {training.seed_of_part(3, done, 128) for done in (0, 64, 128)}
    assert len(seeds) == 3
    assert training.seed_of_part(3, 0, 128) == 3
    assert training.seed_of_part(3, 64, 128) == training.seed_of_part(3, 64, 128)


@pytest.mark.parametrize("num_envs", [1, 60_000])
def test_goes_on_on_other_episodes_than_its_first_and_its_curves(num_envs):
    for done in range(1, 60):
        first = training.seed_of_part(400_000, done, num_envs)
        known = range(400_000, training.curve_seeds(400_000, num_envs).stop)
        assert first + num_envs <= known.start or first >= known.stop
        assert 0 <= first <= 1_000_000 - num_envs
