"""The registered environments before the checkers of Gymnasium and Stable-Baselines3; a warning fails."""

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_match import check_environments_match

from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.registration import ENVIRONMENTS, register_all

IDS = [env_id for env_id in gymnasium.registry if env_id.startswith("twin_envs/")]
OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

pytestmark = pytest.mark.parametrize("env_id", IDS)


def test_registering_again_changes_nothing(env_id):
    spec = gymnasium.spec(env_id)
    register_all()
    assert gymnasium.spec(env_id) is spec
    assert env_id in {f"twin_envs/{name}-v0" for name in ENVIRONMENTS}


def test_gymnasiums_checker_finds_nothing(env_id):
    check_env(gymnasium.make(env_id, **OPTIONS).unwrapped)


def test_gymnasiums_passive_checker_finds_nothing_in_an_episode(env_id):
    env = gymnasium.make(env_id, **OPTIONS)
    env.reset(seed=1)
    env.action_space.seed(1)
    truncated = False
    while not truncated:
        *_, truncated, _ = env.step(env.action_space.sample())
    env.close()


def test_stable_baselines_checker_finds_nothing(env_id):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gymnasium.make(env_id, **OPTIONS).unwrapped, warn=True)


def test_two_environments_match(env_id):
    one, other = gymnasium.make(env_id, **OPTIONS), gymnasium.make(env_id, **OPTIONS)
    check_environments_match(one, other, num_steps=30, seed=0)


def test_the_defaults_work(env_id):
    env = gymnasium.make(env_id)
    first, _ = env.reset(seed=0)
    second, reward, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(first)
    assert env.observation_space.contains(second)
    assert isinstance(reward, float)


def test_the_module_may_be_named_in_the_id(env_id):
    env = gymnasium.make(f"twin_envs:{env_id}", **OPTIONS)
    assert env.spec.id == env_id


def episode_start(env):
    env.reset(seed=4)
    env.action_space.seed(4)
    return env.step(env.action_space.sample())[:2]


def test_a_spec_goes_through_json_and_pickle(env_id):
    env = gymnasium.make(env_id, population="walkers", link="shannon", **OPTIONS)
    expected = episode_start(env)
    unpickled = pickle.loads(pickle.dumps(env.spec))  # noqa: S301
    for spec in (EnvSpec.from_json(env.spec.to_json()), unpickled):
        made = gymnasium.make(spec)
        assert made.unwrapped.core.config == env.unwrapped.core.config
        for one, other in zip(expected, episode_start(made)):
            assert np.array_equal(one, other)


def test_a_batch_is_made_by_default_and_its_spec_goes_through_json(env_id):
    envs = gymnasium.make_vec(env_id, num_envs=3, **OPTIONS)
    assert isinstance(envs.unwrapped, TaskVectorEnv)
    assert envs.num_envs == 3
    assert envs.spec.id == env_id
    assert EnvSpec.from_json(envs.spec.to_json()).kwargs["num_ue"] == 3
    pickle.loads(pickle.dumps(envs.spec))  # noqa: S301


def test_a_batch_agrees_with_gymnasiums_own_batch_of_single_environments(env_id):
    made = [
        gymnasium.make_vec(env_id, num_envs=2, vectorization_mode=mode, **OPTIONS)
        for mode in ("vector_entry_point", "sync")
    ]
    for one, other in zip(made[0].reset(seed=11)[0], made[1].reset(seed=11)[0]):
        np.testing.assert_allclose(one, other, atol=1e-4)
    made[0].action_space.seed(0)
    for _ in range(25):  # past the end of an episode
        actions = made[0].action_space.sample()
        (*native, native_infos), (*sync, sync_infos) = (envs.step(actions) for envs in made)
        for one, other in zip(native, sync):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, atol=1e-4)
        assert native_infos.keys() == sync_infos.keys()
        for key, values in sync_infos.items():
            np.testing.assert_allclose(native_infos[key], values, atol=1e-4)
