"""The option `sensors` in each family of environments and each face: what follows UEs; nothing else changes."""

import gymnasium
import numpy as np
import pytest
import torch
from ids import SIMULTANEOUS

from twin_envs.agents.core.environments import make_envs
from twin_envs.envs.faces.multi_agent import parallel_env
from twin_envs.envs.registry import specification

ALL = "gnss+imu+camera+radar"
STEPS = 4


def played(envs, seed):
    """Sensed positions and stated deviations after some steps."""
    envs.reset(seed=seed)
    envs.action_space.seed(0)
    for _ in range(STEPS):
        envs.step(envs.action_space.sample())
    return envs.network.sensing


@pytest.mark.parametrize("name", ["FeedbackInterval", "ApAssociation", "BeamSelection"])
def test_a_batch_and_a_single_environment_sense_alike(name):
    small = {**specification(name).small, "sensors": ALL, "device": "cpu"}
    single = gymnasium.make(f"twin_envs/{name}-v1", **small)
    assert gymnasium.envs.registration.EnvSpec.from_json(single.spec.to_json()).kwargs["sensors"] == ALL
    batch = make_envs(name, 2, **small)
    single.reset(seed=8)
    batch.reset(seed=[7, 8])
    single.action_space.seed(0)
    for _ in range(STEPS):
        action = single.action_space.sample()
        observation, *_ = single.step(action)
        together, *_ = batch.step(np.stack([action, action]))
        assert observation in single.observation_space
        np.testing.assert_allclose(together[1], observation, rtol=1e-5, atol=1e-6)
    one, other = batch.network.sensing.rows(), single.unwrapped.network.sensing.rows()
    assert all(torch.equal(one[key][1], other[key][0]) for key in one)


def test_cameras_and_radars_say_where_ues_are():
    usual = played(make_envs("ApAssociation", 8, num_ue=4, device="cpu"), 3)
    helped = played(make_envs("ApAssociation", 8, num_ue=4, device="cpu", sensors=ALL), 3)
    ratio = helped.position_std_m / usual.position_std_m
    assert (ratio < 1 + 1e-6).all()
    assert float(ratio.median()) < 0.7


def test_what_sensors_are_named_changes_nothing_but_estimates():
    """Where UEs truly are, and what GNSS and IMU tell of them, is the same."""
    envs = [make_envs("ApAssociation", 3, num_ue=2, device="cpu", sensors=sensors) for sensors in ("imu+gnss", ALL)]
    for each in envs:
        each.reset(seed=1)
    usual, helped = (each.core.motion.at(torch.arange(3), torch.full((3,), 1.0)) for each in envs)
    assert all(torch.equal(a, b) for a, b in zip(usual, helped, strict=True))
    torch.testing.assert_close(*(each.network.sensing.position for each in envs))


@pytest.mark.parametrize("name", SIMULTANEOUS[:1])
def test_every_ue_as_an_agent(name):
    env = parallel_env(name, **{**specification(name).small, "sensors": ALL, "device": "cpu"})
    env.reset(seed=0)
    observations, *_ = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
    assert all(np.isfinite(values).all() for values in observations.values())
