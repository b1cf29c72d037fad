"""The two-worlds rule in the objects: from what the network knows, and from policies, no attribute leads to reality.

Ways are planted to see that they are found.
"""

import types
from typing import Any

import numpy as np
import pytest
import torch
from competitors import competitors
from ids import ENVIRONMENTS
from poison import secrets
from reachable import reachable

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import attach
from twin_envs.base.streams import Streams
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.task import Task
from twin_envs.envs.csi_cell.downlink import Downlink
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.reality.blockage import Blockage
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.network import NetworkReality
from twin_envs.envs.reality.population import Population
from twin_envs.envs.registry import specification
from twin_envs.world.motion import Motion
from twin_envs.world.sensing.mounting import Mounting
from twin_envs.world.sensing.protocol import Sensing
from twin_envs.world.store.site import Site

NUM_ENVS = 3
FORBIDDEN = (
    Core,
    Task,
    TaskVectorEnv,
    Site,
    Reality,
    NetworkReality,
    Blockage,
    Population,
    Downlink,
    Motion,
    Sensing,
    Mounting,
    Streams,
)


def ways(start: Any, core: Core) -> list[str]:
    """Every way that attributes lead from an object to what the network does not know."""
    hidden = {value.untyped_storage().data_ptr() for value in secrets(core).values() if value.numel()}
    return [
        f"{way}: {type(thing).__name__}"
        for way, thing in reachable(start)
        if isinstance(thing, FORBIDDEN)
        or thing is core.reality.atlas
        or (isinstance(thing, torch.Tensor) and thing.untyped_storage().data_ptr() in hidden)
    ]


def played(env: str, **options: Any) -> TaskVectorEnv:
    envs = make_envs(env, NUM_ENVS, device="cpu", **specification(env).small, **options)
    envs.reset(seed=5)
    envs.action_space.seed(5)
    envs.step(envs.action_space.sample())
    return envs


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_way_leads_from_what_the_network_knows_to_reality(env):
    envs, rows = played(env), torch.arange(NUM_ENVS)
    assert len(list(reachable(envs.network))) > 50
    assert ways(envs.network, envs.core) == []
    assert ways(envs, envs.core)
    for name, policy in competitors(env).items():
        if not isinstance(policy, Oracle):
            attach(policy, envs)
            observation = envs.task.observe(rows, envs.task.turn(rows)).numpy()
            policy.predict(observation, None, np.ones(NUM_ENVS, bool))
            assert ways(policy, envs.core) == [], name


@pytest.mark.parametrize("env", ["ApAssociation", "BeamSelection"])
def test_no_way_leads_through_sensors_that_look_at_ues(env):
    envs = played(env, sensors="gnss+imu+camera+radar")
    assert {"JointFilters.registration", "JointFilters.values"} <= set(secrets(envs.core))
    assert ways(envs.network, envs.core) == []
    envs.network.poses = envs.core.sensing.state.registration[0, 0]
    assert ways(envs.network, envs.core)


def by_attribute(network, core):
    network.config_of = core


def by_method(network, core):
    network.look = core.beam_snr


def by_closure(network, core):
    network.look = lambda: core.reality


def by_default(network, core):
    def look(motion=core.motion):
        return motion

    network.look = look


def in_a_container(network, core):
    network.more = {"all": [(core.sensing,)]}


def deep_down(network, core):
    network.codebook.about = types.SimpleNamespace(site=core.site)


def as_a_tensor(network, core):
    network.errors = core.sensing.state.values[1, :2]


def by_the_atlas(network, core):
    network.other_twin = core.reality.atlas


PLANTS = (by_attribute, by_method, by_closure, by_default, in_a_container, deep_down, as_a_tensor, by_the_atlas)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_way_is_found(plant):
    envs = played("BeamSelection")
    assert ways(envs.network, envs.core) == []
    plant(envs.network, envs.core)
    assert ways(envs.network, envs.core)
