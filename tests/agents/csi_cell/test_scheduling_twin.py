"""How the twin expects CSI to age: for who stands, and for who is where the twin has no channel."""

import numpy as np
import pytest
import torch
from scipy.special import j0

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.twin.protocol import SensedState

NUM_ENVS, NUM_UE = 4, 4
OPTIONS = {"num_ue": NUM_UE, "episode_slots": 640, "population": "walkers", "dmrs_additional": 0}


@pytest.fixture
def cell():
    envs = make_envs("ReportScheduling", NUM_ENVS, **OPTIONS)
    envs.reset(seed=1)
    return envs.network


@pytest.fixture
def planner(cell):
    planner = AgeingTwin()
    planner.attach(cell)
    return planner


def sensed(speed_m_s, std_m_s):
    zero = torch.zeros(1)
    return SensedState(
        position_m=torch.zeros(1, 2), velocity_m_s=torch.tensor([[speed_m_s, 0.0]]), position_std_m=zero,
        velocity_std_m_s=zero + std_m_s,
    )  # fmt: skip


def test_velocities_are_spread_by_what_sensing_is_not_sure_of():
    angle = torch.arange(5) * (2 * torch.pi / 5)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    velocity = AgeingTwin().velocities(sensed(3.0, 0.2), circle)[0]
    np.testing.assert_allclose(velocity.mean(0), [3.0, 0.0], atol=1e-6)
    off = velocity - torch.tensor([3.0, 0.0])
    np.testing.assert_allclose(off.norm(dim=-1), 0.2, rtol=1e-5)
    assert ((off * circle).sum(-1).abs() < 1e-6).all()  # not along the direction of the place: independent of it


def curves(planner, cell, ue):
    rows = torch.arange(NUM_ENVS)
    with torch.inference_mode():
        return planner.goodput(cell, rows, torch.full_like(rows, ue))[..., 0].numpy()


def test_csi_of_who_stands_ages_all_the_same_but_later(planner, cell):
    rates = np.stack([curves(planner, cell, ue) for ue in range(NUM_UE)], 1)
    speed = cell.sensing.velocity.norm(dim=-1).numpy()
    assert (speed < 0.3).any()
    assert (speed > 0.8).any()
    kept = rates[..., AgeingTwin.ages_slots.index(128)] / rates[..., 0].clip(1e-6)
    assert kept[speed < 0.3].mean() > kept[speed > 0.8].mean() + 0.1
    assert rates[..., -1][speed < 0.3].mean() < 0.95 * rates[..., 0][speed < 0.3].mean()


def test_where_the_twin_has_no_channel_csi_ages_as_in_isotropic_scattering(planner, cell):
    with torch.inference_mode():
        cell.sensing.position[:, 1] = 1e6
        cell.sensing.velocity[:, 1] = torch.tensor([0.0, 1.0])
        rows = torch.arange(NUM_ENVS)
        outlook = planner.outlook(cell, rows, torch.ones_like(rows))
    h_hat, w = cell.state.h_hat.numpy(), cell.state.w.numpy()
    power = np.abs(h_hat[:, :, 1, None] @ w)[:, :, 0] ** 2  # [N, F, beams]
    own, strength = power[..., 1], (np.abs(h_hat[:, :, 1]) ** 2).mean((1, 2))[:, None]
    std = cell.sensing.velocity_std_m_s[:, 1].numpy()
    age = AgeingTwin.ages_slots.index(8)
    way = 2 * np.pi / cell.recipe.wavelength_m * np.sqrt(1 + std**2) * 8 * cell.slot_s
    kept = j0(way)[:, None] ** 2
    sharing = cell.state.scheduled.sum(-1, keepdim=True).numpy()
    signal = kept * own + (1 - kept) * strength / sharing
    disturbance = kept * (power.sum(-1) - own) + (1 - kept) * strength * (sharing - 1) / sharing + cell.noise
    served = cell.state.scheduled[:, 1].numpy()  # the others' precoder does not know of it
    assert served.any()
    assert (outlook.weight == 1).all()
    for place in range(outlook.weight.shape[1]):
        np.testing.assert_allclose(outlook.signal[served, place, age].numpy(), signal[served], rtol=1e-3)
        found = outlook.disturbance[served, place, age].numpy()
        np.testing.assert_allclose(found, disturbance[served], rtol=1e-3)
    assert (curves(planner, cell, 1)[:, -1] < curves(planner, cell, 1)[:, 0]).all()
