"""The batch in several processes: the same as in one, with the same refusals, and no process left behind."""

import multiprocessing

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, InvalidAction, ResetNeeded

from twin_envs import ConfigurationError, TwinEnvsError, process_envs, specification
from twin_envs.wrappers import RelativeRewardVector

OPTIONS = {**specification("FeedbackInterval").small, "num_ue": 2, "episode_slots": 100}


@pytest.fixture(scope="module")
def envs():
    """Three environments on two processors, which begin anew in the step in which they end."""
    with_processes = process_envs("FeedbackInterval", 3, 2, autoreset_mode="SameStep", **OPTIONS)
    yield with_processes
    with_processes.close()


def same(told, expected):
    """Fail unless two arrays, or infos with all that lies in them, are the same but for last digits."""
    if isinstance(expected, dict):
        assert set(told) == set(expected)
        for key, values in expected.items():
            same(told[key], values)
        return
    assert told.dtype == expected.dtype
    if expected.dtype != object:
        return np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-5)
    for one, other in zip(told, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            same(one, other)


def test_it_gives_what_one_process_gives(envs):
    alone = gymnasium.make_vec(
        specification("FeedbackInterval").id, num_envs=3, autoreset_mode="SameStep", device="cpu", **OPTIONS
    )
    assert (envs.observation_space, envs.action_space) == (alone.observation_space, alone.action_space)
    assert envs.observation_layout.names == alone.unwrapped.observation_layout.names
    for told, expected in zip(envs.reset(seed=7), alone.reset(seed=7), strict=True):
        same(told, expected)
    alone.action_space.seed(0)
    over = 0
    for _ in range(40):
        actions = alone.action_space.sample()
        told = envs.step(actions)
        for values, expected in zip(told, alone.step(actions), strict=True):
            same(values, expected)
        over += int(told[3].sum())
    assert over >= 3


def test_some_environments_begin_anew_and_the_others_stay(envs):
    first, _ = envs.reset(seed=[3, 4, 5])
    envs.step(np.zeros(3, int))
    seen, _ = envs.reset(seed=[None, None, 5], options={"reset_mask": np.array([False, False, True])})
    np.testing.assert_array_equal(seen[2], first[2])
    assert (seen[:2] != first[:2]).any(1).all()


def test_a_wrapper_that_learns_takes_it(envs):
    relative = RelativeRewardVector(envs)
    relative.reset(seed=0)
    _, rewards, *_ = relative.step(envs.action_space.sample())
    assert np.isfinite(rewards).all()


def test_what_is_wrong_is_refused_and_loses_nothing(envs):
    seen, _ = envs.reset(seed=1)
    with pytest.raises(InvalidAction, match="actions must be in"):
        envs.step(np.array([0, 0, 10_000]))
    with pytest.raises(ConfigurationError, match="seed must be 3 integers, got 2"):
        envs.reset(seed=[1, 2])
    with pytest.raises(ConfigurationError, match="reset_mask must be of shape"):
        envs.reset(options={"reset_mask": np.ones(2)})
    again, _ = envs.reset(seed=1)
    np.testing.assert_array_equal(again, seen)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"processes": 0}, "processes must be"),
        ({"processes": 4}, "processes must be"),
        ({"device": "cuda"}, "device must be .*cpu.* got 'cuda'"),
        ({"num_ue": 0}, "num_ue must be"),
        ({"number_of_ues": 3}, "num_ue"),
    ],
)
def test_bad_arguments_are_refused_before_a_process_begins(arguments, message):
    before = len(multiprocessing.active_children())
    with pytest.raises(ConfigurationError, match=message):
        process_envs("FeedbackInterval", 3, **{"processes": 2, **OPTIONS, **arguments})
    assert len(multiprocessing.active_children()) == before


def test_an_episode_that_is_over_has_to_begin_anew_and_a_process_that_is_gone_ends_the_batch():
    before = set(multiprocessing.active_children())
    envs = process_envs("FeedbackInterval", 1, 1, autoreset_mode="Disabled", max_episode_steps=1, **OPTIONS)
    (process,) = set(multiprocessing.active_children()) - before
    with pytest.raises(ResetNeeded, match="before the first step"):
        envs.step([0])
    envs.reset(seed=0)
    assert envs.step([0])[3].all()
    with pytest.raises(ResetNeeded, match="whose episode is over"):
        envs.step([0])
    envs.reset()
    process.kill()
    process.join()
    with pytest.raises(TwinEnvsError, match="has ended with exit code -9"):
        envs.step([0])
    assert not process.is_alive()
    with pytest.raises(ClosedEnvironmentError, match="before close"):
        envs.step([0])
