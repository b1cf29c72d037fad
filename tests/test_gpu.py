"""On a GPU a cell behaves as on a CPU."""

import pytest
import torch

from twin_envs.envs.cell import Cell, Decision
from twin_envs.envs.configuration import CellConfig
from twin_envs.envs.feedback_interval import FeedbackIntervalVectorEnv
from twin_envs.envs.observation import observe_csi

pytestmark = pytest.mark.gpu

NUM_ENVS = 32
CONFIG = CellConfig(num_ue=4, episode_slots=400, link="shannon")


def decide(device, period):
    shape = (NUM_ENVS,)
    return Decision(
        period_slots=torch.full(shape, period, device=device),
        spacing=torch.ones(shape, dtype=torch.int64, device=device),
        codeword_bits=torch.full(shape, CONFIG.codeword_bits, device=device),
    )


@pytest.mark.parametrize("periods", [(4, 8, 20, 40), (320, 5, 80, 10)])
def test_steps_on_a_gpu_equal_those_on_a_cpu(periods):
    """Rounding may tip a codeword's bit, so a few environments may differ; all must agree on who reports when."""
    cells = [Cell(CONFIG, NUM_ENVS, torch.device(name)) for name in ("cpu", "cuda")]
    for cell in cells:
        rows = torch.arange(NUM_ENVS, device=cell.device)
        cell.reset(rows, rows + 100)
    for period in periods:
        outcomes = [
            cell.step(torch.arange(NUM_ENVS, device=c), decide(c, period)) for cell in cells for c in [cell.device]
        ]
        for name in ("elapsed_slots", "csi_age_slots", "truncated"):
            assert torch.equal(getattr(outcomes[0], name), getattr(outcomes[1], name).cpu())
        reward, other = outcomes[0].reward, outcomes[1].reward.cpu()
        assert ((reward - other).abs() < 1e-3 * reward.abs()).float().mean() >= 0.9
        seen = [
            observe_csi(cell, torch.arange(NUM_ENVS, device=cell.device), cell.known.reporter).cpu() for cell in cells
        ]
        assert ((seen[0] - seen[1]).abs() < 1e-2).all(1).float().mean() >= 0.9


def test_random_numbers_are_the_same_bit_for_bit():
    cells = [Cell(CONFIG, 4, torch.device(name)) for name in ("cpu", "cuda")]
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


def test_auto_takes_the_gpu():
    assert FeedbackIntervalVectorEnv(num_envs=1, num_ue=2).core.device.type == "cuda"
