"""On a GPU everything behaves as on a CPU."""

import numpy as np
import pytest
import torch
from ids import ENVIRONMENTS

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.optimum import optimal_return
from twin_envs.agents.train import train
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalVectorEnv

DEVICES = ("cpu", "cuda")
CYCLES = {"cycle_slots": 96, "burst_slots": 2}
"""Lets many bursts into a short episode at 28 GHz."""
pytestmark = pytest.mark.gpu


def test_random_numbers_are_the_same_bit_for_bit():
    cells = [CsiCell(CellConfig(num_ue=4), 4, torch.device(name)) for name in DEVICES]
    drawn = []
    for cell in cells:
        rows = torch.arange(4, device=cell.device)
        cell.streams.seed(rows, rows * 12345)
        drawn.append((cell.streams.uniform(rows, 100).cpu(), cell.streams.integers(rows, 7, 50).cpu()))
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])


def test_the_environment_takes_and_gives_numpy_wherever_it_runs():
    envs = FeedbackIntervalVectorEnv(num_envs=4, device="cuda", num_ue=2)
    assert envs.core.device.type == "cuda"
    observation, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observation)
    observation, rewards, *_ = envs.step([0, 3, 6, 9])
    assert envs.observation_space.contains(observation)
    assert (rewards > 0).all()


def small(env, device, num_envs, **options):
    if env in ("BeamSelection", "TwinFidelity"):
        options |= CYCLES
    return make_envs(env, num_envs, device=device, num_ue=3, episode_slots=200, **options)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_is_the_same_on_a_gpu(env):
    """The same seeds and actions give the same episodes, but for those few in which rounding has tipped something."""
    batches = [small(env, device, 16) for device in DEVICES]
    seeds = list(range(16))
    same = [np.isclose(*(envs.reset(seed=seeds)[0] for envs in batches), atol=1e-2).all(1)]
    batches[0].action_space.seed(0)
    for _ in range(8):
        actions = batches[0].action_space.sample()
        (seen, reward, _, over, _), (other_seen, other_reward, _, other_over, _) = [e.step(actions) for e in batches]
        assert np.array_equal(over, other_over)
        same += [np.isclose(seen, other_seen, atol=1e-2).all(1), np.isclose(reward, other_reward, rtol=1e-3, atol=1e-3)]
    assert np.mean(same) >= 0.9


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_policy_plays_on_a_gpu_as_on_a_cpu(env):
    """Two values of nearly the same size may change places, and then an episode goes another way."""
    found = contenders(env)
    for name, policy in {**{name: next(iter(by.values())) for name, by in found.tuned.items()}, **found.ready}.items():
        played = [play(policy, small(env, device, 8), list(range(8))) for device in DEVICES]
        assert played[1].returns == pytest.approx(played[0].returns, rel=0.3, abs=0.3), name
        assert played[1].returns.mean() == pytest.approx(played[0].returns.mean(), rel=0.05), name


def test_the_optimum_for_one_ue_is_the_same_on_a_gpu():
    options = {"episode_slots": 200}
    found = [optimal_return(3, device=device, **options) for device in DEVICES]
    assert found[1] == pytest.approx(found[0], rel=0.01)


def test_ppo_trains_in_environments_on_a_gpu():
    options = {"device": "cuda", "num_ue": 2, "episode_slots": 200}
    policy, card = train("FeedbackInterval", world="twin", steps=512, seed=0, num_envs=8, options=options)
    episodes = play(policy, small("FeedbackInterval", "cuda", 4), list(range(4)))
    assert card.env == "FeedbackInterval"
    assert (episodes.returns > 0).all()


def test_auto_takes_the_gpu():
    assert FeedbackIntervalVectorEnv(num_envs=1, num_ue=2).core.device.type == "cuda"
