"""The registered environments: made by id, with defaults and options, and their specs."""

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from ids import ENVIRONMENTS

import twin_envs
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import packaged, register_packaged, specification

IDS = [env_id for env_id in gymnasium.registry if env_id.startswith("twin_envs/")]
OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

pytestmark = pytest.mark.parametrize("env_id", IDS)


def test_registering_again_changes_nothing(env_id):
    spec = gymnasium.spec(env_id)
    register_packaged()
    assert gymnasium.spec(env_id) is spec
    assert env_id in {f"twin_envs/{name}-v1" for name in ENVIRONMENTS}


def test_with_its_defaults_it_steps_within_its_spaces(env_id):
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


def test_an_environment_is_taken_back_by_its_short_name(env_id):
    copy = env_id.replace("-v1", "Copy-v1")
    twin_envs.register(copy, task="toy_task:Toy")
    assert copy in gymnasium.registry
    twin_envs.unregister(copy.removeprefix("twin_envs/").removesuffix("-v1"))
    assert copy not in gymnasium.registry
    with pytest.raises(ConfigurationError, match="env must be one of"):
        twin_envs.unregister(copy)


def test_an_environment_of_another_version_keeps_its_short_name(env_id):
    name = env_id.removeprefix("twin_envs/").removesuffix("-v1")
    newer = packaged(name, "somewhere", version=2)
    assert newer.id == f"twin_envs/{name}-v2"
    assert newer.name == name == specification(name).name
    assert specification(name) is specification(env_id)
