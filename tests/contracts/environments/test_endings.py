"""Making and closing many environments leaves nothing behind."""

import gc
import os
import weakref

import gymnasium
import pytest
from ids import ENVIRONMENTS

OPTIONS = {"num_ue": 2, "episode_slots": 100, "device": "cpu"}
MAKES = {
    "single": lambda env_id: gymnasium.make(env_id, **OPTIONS),
    "batch": lambda env_id: gymnasium.make_vec(env_id, num_envs=2, **OPTIONS),
    "pictures": lambda env_id: gymnasium.make(env_id, render_mode="rgb_array", **OPTIONS),
}


def play(kind, name="FeedbackInterval"):
    """Make, step and close an environment; returns a weak reference to its task."""
    env = MAKES[kind](f"twin_envs/{name}-v1")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.render() if kind == "pictures" else None
    env.close()
    return weakref.ref(env.unwrapped.task)


def files():
    """Open files of this process; none where they cannot be counted."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.mark.parametrize(("kind", "times"), [("single", 8), ("batch", 4), ("pictures", 2)])
def test_many_that_were_made_and_closed_leave_no_task_and_no_open_file(kind, times):
    play(kind)
    before = files()
    made = [play(kind) for _ in range(times)]
    gc.collect()
    assert not any(task() for task in made)
    assert files() == before


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_keeps_an_environment_that_was_closed(name):
    task = play("single", name)
    gc.collect()
    assert task() is None
