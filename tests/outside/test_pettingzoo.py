"""PettingZoo: its tests of faces for many agents."""

import warnings

import gymnasium
import pettingzoo
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test


@pytest.mark.parametrize("reward", ["team", "own"])
def test_the_tests_of_agents_that_act_in_turn_find_nothing(env_id, options, reward):
    def make():
        return pettingzoo.make("aec", env_id, reward=reward, **options)

    env = make()
    if isinstance(env.env.action_space, gymnasium.spaces.MultiDiscrete):
        with warnings.catch_warnings():  # it remarks on every space that is neither Discrete nor Box
            warnings.filterwarnings("ignore", "Action space for each agent probably should be")
            api_test(env)
    else:
        api_test(env)
    seed_test(make)


@pytest.mark.parametrize("reward", ["team", "own"])
def test_the_tests_of_agents_that_act_at_once_find_nothing(simultaneous_id, options, reward):
    def make():
        return pettingzoo.make("parallel", simultaneous_id, reward=reward, **options)

    parallel_api_test(make())
    parallel_seed_test(make)
