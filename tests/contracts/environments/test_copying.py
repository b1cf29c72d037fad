"""Copies: they go on as the original would, and share what never changes."""

import pickle
from copy import deepcopy

import cloudpickle
import gymnasium
import numpy as np
import pytest
import torch
from ids import ENVIRONMENTS

from twin_envs.envs.faces.multi_agent import aec_env

OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}
LARGEST_COPY = 500_000
"""Bytes of a copy's own tensors; a site takes tens of millions."""


def make(name, **more):
    return gymnasium.make(f"twin_envs/{name}-v1", **OPTIONS, **more)


def play(env, actions):
    """All that comes of some actions, resets past ends among them."""
    found = []
    for action in actions:
        found.append(env.step(action))
        if np.all(found[-1][3]):
            found.append(env.reset())
    return found


def storages(thing, seen):
    """Sizes in bytes of the memory of all tensors that a thing holds, by where it is."""
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | type | np.ndarray):
        return {}
    seen[id(thing)] = thing
    if isinstance(thing, torch.Tensor):
        memory = thing.untyped_storage()
        return {memory.data_ptr(): memory.nbytes()}
    parts = list(thing.values()) if isinstance(thing, dict) else [getattr(thing, "__self__", None)]
    parts += list(thing) if isinstance(thing, list | tuple | set) else []
    found = {}
    for part in [*parts, *getattr(thing, "__dict__", {}).values()]:
        found |= storages(part, seen)
    return found


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_copy_goes_on_as_the_original_and_neither_disturbs_the_other(name):
    untouched, original = make(name), make(name)
    untouched.action_space.seed(0)
    before, after = ([untouched.action_space.sample() for _ in range(count)] for count in (2, 5))
    for env in (untouched, original):
        env.reset(seed=6)
        play(env, before)
    copy = deepcopy(original)
    first = play(copy, after)
    np.testing.assert_equal(play(original, after), first)
    np.testing.assert_equal(play(untouched, after), first)


def test_a_copy_of_a_batch_goes_on_as_the_original():
    envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=2, **OPTIONS)
    envs.reset(seed=1)
    envs.step([2, 7])
    copy = deepcopy(envs)
    actions = np.random.default_rng(0).integers(0, 10, (9, 2))
    np.testing.assert_equal(play(copy, actions), play(envs, actions))


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("kind", ["single", "batch", "agents"])
def test_a_copy_shares_what_never_changes(name, kind):
    if kind == "single":
        env = make(name)
    elif kind == "batch":
        env = gymnasium.make_vec(f"twin_envs/{name}-v1", num_envs=2, **OPTIONS)
    else:
        env = aec_env(name, **OPTIONS)
    env.reset(seed=0)
    before, after = (storages(thing, {}) for thing in (env, deepcopy(env)))
    assert sum(before.values()) > 20 * LARGEST_COPY
    own = sum(size for place, size in after.items() if place not in before)
    assert 0 < own < LARGEST_COPY


def test_what_is_shown_in_a_window_can_be_copied():
    env = make("FeedbackInterval", render_mode="human")
    env.reset(seed=0)
    copy = deepcopy(env)
    np.testing.assert_equal(copy.step(2), env.step(2))
    for each in (copy, env):
        each.close()


def test_a_copy_draws_pictures_and_samples_of_its_own():
    env = make("FeedbackInterval", render_mode="rgb_array")
    env.reset(seed=0)
    env.action_space.seed(3)
    before = env.render()
    copy = deepcopy(env)
    assert [copy.action_space.sample() for _ in range(9)] == [env.action_space.sample() for _ in range(9)]
    shown = copy.render()
    assert np.array_equal(shown, before)
    env.step(1)
    assert np.array_equal(copy.render(), shown)
    assert not np.array_equal(env.render(), shown)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_pickled_environment_goes_on_as_the_original(name):
    original = make(name).unwrapped
    original.action_space.seed(0)
    actions = [original.action_space.sample() for _ in range(3)]
    original.reset(seed=6)
    copies = [pickle.loads(dump(original)) for dump in (pickle.dumps, cloudpickle.dumps)]  # noqa: S301
    played = play(original, actions)
    for copy in copies:
        np.testing.assert_equal(play(copy, actions), played)
