"""Hyperparameters of the algorithms: what is refused."""

import pytest

from twin_envs.agents.learning.algorithms import ALGORITHMS, PpoConfiguration, configure
from twin_envs.base.errors import ConfigurationError


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"discount": 1.1}, "discount"),
        ({"hidden": []}, "hidden"),
        ({"hidden": [8.5]}, r"hidden\[0\] must be an integer"),
        ({"hiden": [8]}, "did you mean 'hidden'"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(name, change, message):
    with pytest.raises(ConfigurationError, match=message):
        configure(name, change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ppo", {"epochs": 0}),
        ("ppo", {"rollout_steps": 1.5}),
        ("ppo", {"entropy": -1.0}),
        ("dqn", {"explored": 2.0}),
        ("dagger", {"mixture": 1.5}),
        ("dagger", {"teacher": 3}),
        ("dagger", {"updates": 0}),
    ],
)
def test_hyperparameters_of_one_algorithm_out_of_range_are_refused(name, change):
    with pytest.raises(ConfigurationError, match=next(iter(change))):
        configure(name, change)


def test_rollout_that_cannot_be_parted_is_refused():
    with pytest.raises(ConfigurationError, match="batches must divide"):
        PpoConfiguration(rollout_steps=3, batches=2).arguments(1)
