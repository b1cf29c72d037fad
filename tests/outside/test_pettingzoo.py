"""PettingZoo: its tests of faces for many agents."""

import warnings

import gymnasium
import pettingzoo
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test, state_test


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
    if reward == "own":  # what the team earns is the sum of these
        seed_test(make)


@pytest.mark.parametrize("reward", ["team", "own"])
def test_the_tests_of_agents_that_act_at_once_find_nothing(simultaneous_id, options, reward):
    def make():
        return pettingzoo.make("parallel", simultaneous_id, reward=reward, **options)

    parallel_api_test(make())
    parallel_seed_test(make)


def test_the_test_of_states_finds_nothing(simultaneous_id, options):
    one_at_a_time, at_once = (pettingzoo.make(kind, simultaneous_id, **options) for kind in ("aec", "parallel"))
    state_test(one_at_a_time, at_once)


def test_supersuits_black_death_goes_on_until_nobody_is_left(simultaneous_id, options):
    supersuit = pytest.importorskip("supersuit")
    env = supersuit.black_death_v3(pettingzoo.make("parallel", simultaneous_id, **options))
    for _ in range(2):
        env.reset(seed=0)
        rounds = 0
        while env.agents:
            told = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
            assert all(set(part) == set(env.possible_agents) for part in told)
            rounds += 1
        assert rounds >= 2
