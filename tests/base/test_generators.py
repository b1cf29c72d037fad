"""The global generators belong to the user: nothing moves them."""

import contextlib
import random

import numpy as np
import pytest
import torch
from fresh_process import run_fresh

from twin_envs.base.generators import generators_kept


@contextlib.contextmanager
def moved():
    with generators_kept():
        torch.manual_seed(5)
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        yield


def test_they_are_put_back_after_an_exception_too():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(ZeroDivisionError), moved():
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


@pytest.mark.gpu
def test_those_of_the_gpu_are_put_back():
    before = torch.cuda.get_rng_state_all()
    with generators_kept():
        torch.cuda.manual_seed_all(5)
    assert all(map(torch.equal, before, torch.cuda.get_rng_state_all()))


STATES = """
import random, sys
import gymnasium, numpy, torch

def states():
    python, legacy = random.getstate(), numpy.random.get_state()
    gpus = [state.tolist() for state in torch.cuda.get_rng_state_all()] if sys.argv[1] == "cuda" else []
    return torch.get_rng_state().tolist(), gpus, python, legacy[1].tolist(), legacy[2:]

torch.manual_seed(1)
before = states()
import twin_envs
from twin_envs import specifications
ENVIRONMENTS = [known.name for known in specifications()]
SIMULTANEOUS = [known.name for known in specifications() if known.simultaneous]
assert states() == before, "importing twin_envs"
"""

PLAYED = """
import pettingzoo

options = {"num_ue": 2, "episode_slots": 200, "device": sys.argv[1], "render_mode": "rgb_array"}
for name in ENVIRONMENTS:
    env_id = f"twin_envs/{name}-v0"
    env = gymnasium.make(env_id, **options)
    env.action_space.seed(0)
    assert states() == before, f"making {name}"
    env.reset(seed=0)
    assert states() == before, f"resetting {name}"
    env.step(env.action_space.sample())
    assert states() == before, f"stepping {name}"
    env.render()
    assert states() == before, f"rendering {name}"
    envs = gymnasium.make_vec(env_id, num_envs=2, **options)
    envs.action_space.seed(0)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    envs.render()
    assert states() == before, f"a batch of {name}"
    one = pettingzoo.make("aec", env_id, **options)
    one.reset(seed=0)
    one.step(env.action_space.sample())
    assert states() == before, f"many agents in {name}"
    if name in SIMULTANEOUS:
        many = pettingzoo.make("parallel", env_id, **options)
        many.reset(seed=0)
        many.step({agent: env.action_space.sample() for agent in many.agents})
        assert states() == before, f"many agents at once in {name}"
NEEDLESS = {"sionna", "mitsuba", "drjit", "scipy"}
assert not NEEDLESS & set(sys.modules), NEEDLESS & set(sys.modules)
"""

TRACED = """
from twin_envs.world.building.tracing import import_ray_tracer
from twin_envs.csi.link.generate_tables import read_sionna

import_ray_tracer()
assert "sionna.rt" in sys.modules
assert states() == before, "importing the ray tracer"
read_sionna()
assert "sionna.sys" in sys.modules
assert states() == before, "reading sionna's tables"
"""


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_no_environment_moves_them_or_loads_sionna(device):
    run_fresh(STATES + PLAYED, device)


@pytest.mark.rt
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_loading_sionna_does_not_move_them(device):
    run_fresh(STATES + TRACED, device)
