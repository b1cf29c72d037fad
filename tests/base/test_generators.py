"""The global generators belong to the user: nothing moves them."""

import contextlib
import json
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
import json, random, sys
import gymnasium, numpy, torch

def states():
    python, legacy = random.getstate(), numpy.random.get_state()
    gpus = [state.tolist() for state in torch.cuda.get_rng_state_all()] if sys.argv[1] == "cuda" else []
    return torch.get_rng_state().tolist(), gpus, python, legacy[1].tolist(), legacy[2:]

def note_if_moved(by):
    if states() != before:
        noted.append(f"moved by {by}")

noted = []
torch.manual_seed(1)
before = states()
import twin_envs
from twin_envs import specifications
ENVIRONMENTS = [known.name for known in specifications()]
SIMULTANEOUS = [known.name for known in specifications() if known.simultaneous]
note_if_moved("importing twin_envs")
"""

PLAYED = """
import pettingzoo

options = {"num_ue": 2, "episode_slots": 200, "device": sys.argv[1], "render_mode": "rgb_array"}
for name in ENVIRONMENTS:
    env_id = f"twin_envs/{name}-v1"
    env = gymnasium.make(env_id, **options)
    env.action_space.seed(0)
    note_if_moved(f"making {name}")
    env.reset(seed=0)
    note_if_moved(f"resetting {name}")
    env.step(env.action_space.sample())
    note_if_moved(f"stepping {name}")
    env.render()
    note_if_moved(f"rendering {name}")
    envs = gymnasium.make_vec(env_id, num_envs=2, **options)
    envs.action_space.seed(0)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    envs.render()
    note_if_moved(f"a batch of {name}")
    one = pettingzoo.make("aec", env_id, **options)
    one.reset(seed=0)
    one.step(env.action_space.sample())
    note_if_moved(f"many agents in {name}")
    if name in SIMULTANEOUS:
        many = pettingzoo.make("parallel", env_id, **options)
        many.reset(seed=0)
        many.step({agent: env.action_space.sample() for agent in many.agents})
        note_if_moved(f"many agents at once in {name}")
NEEDLESS = {"sionna", "mitsuba", "drjit", "scipy"}
noted += [f"loaded {module}" for module in NEEDLESS & set(sys.modules)]
"""

TRACED = """
from twin_envs.world.building.tracing import import_ray_tracer
from twin_envs.csi.link.generate_tables import read_sionna

import_ray_tracer()
assert "sionna.rt" in sys.modules
note_if_moved("importing the ray tracer")
read_sionna()
assert "sionna.sys" in sys.modules
note_if_moved("reading sionna's tables")
"""


def noted(program, device):
    """What `program`, played after `STATES`, says of generators that were moved and modules that were loaded."""
    return json.loads(run_fresh(f"{STATES}{program}print(json.dumps(noted))", device).splitlines()[-1])


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_no_environment_moves_them_or_loads_sionna(device):
    assert noted(PLAYED, device) == []


@pytest.mark.rt
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_loading_sionna_does_not_move_them(device):
    assert noted(TRACED, device) == []
