"""The planner's arithmetic, and what it does with UEs that move and UEs that do not."""

import numpy as np
import pytest
import torch

from agents.environments import make_envs
from agents.oracle import OraclePlanner
from agents.planning import AGES_SLOTS, IDEAL_PERIODS_SLOTS, Planner, _mean_weights, rate_by_age
from agents.twin_policies import TwinPlanner
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS


def test_the_mean_over_a_period_of_a_rate_that_falls_steadily_is_the_one_at_half_the_period() -> None:
    falling = 5.0 - 0.01 * torch.tensor(AGES_SLOTS, dtype=torch.float32)
    means = _mean_weights() @ falling
    expected = 5.0 - 0.01 * np.round(IDEAL_PERIODS_SLOTS) / 2
    np.testing.assert_allclose(means.numpy(), expected, atol=1e-4)


def test_rate_by_age_is_shannons_of_the_sinr() -> None:
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(3, 4, 2, 6, dtype=torch.complex64, generator=generator)
    w = torch.randn(3, 2, 6, 5, dtype=torch.complex64, generator=generator)
    noise, ue = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0, 3, 4])
    rate = rate_by_age(h, w, noise, ue).numpy()
    for n in range(3):
        for age in range(4):
            bits = []
            for f in range(2):
                power = np.abs(h[n, age, f].numpy() @ w[n, f].numpy()) ** 2
                own = power[ue[n]]
                bits.append(np.log2(1 + own / (power.sum() - own + noise[n].item())))
            assert rate[n, age] == pytest.approx(np.mean(bits), rel=1e-4)


def play(planner: Planner, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Speed of the UE that reported and the period chosen for it, for every decision of some vehicle cells."""
    envs = make_envs("FeedbackInterval", 6, population="vehicles", num_ue=4, episode_slots=400)
    observation, _ = envs.reset(seed=seed)
    planner.attach(envs)
    speed, period = [], []
    for _ in range(25):
        known = envs.cell.known
        moving = known.sensing.velocity[torch.arange(6), known.reporter].norm(dim=-1)
        actions, _ = planner.predict(observation)
        speed.append(moving.numpy().copy())
        period.append(np.array(REPORT_PERIODS_SLOTS)[actions])
        observation, *_ = envs.step(actions)
    return np.concatenate(speed), np.concatenate(period)


@pytest.mark.parametrize("planner", [TwinPlanner, OraclePlanner])
def test_parked_vehicles_report_more_rarely_than_driving_ones(planner: type[Planner]) -> None:
    speed, period = play(planner(), seed=11)
    assert (speed < 0.5).any()
    assert (speed > 3).any()
    assert np.median(period[speed < 0.5]) > np.median(period[speed > 3])
    assert np.median(period[speed < 0.5]) >= 160


def test_a_plan_is_a_function_of_what_the_network_knows() -> None:
    first, second = play(TwinPlanner(), seed=12), play(TwinPlanner(), seed=12)
    np.testing.assert_array_equal(first[1], second[1])
