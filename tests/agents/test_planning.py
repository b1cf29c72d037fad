"""The planner's arithmetic, and what it does with UEs that move and UEs that do not."""

import numpy as np
import pytest
import torch

from agents.environments import make_envs
from agents.oracle import OraclePlanner
from agents.planning import AGES_SLOTS, IDEAL_PERIODS_SLOTS, Planner, _mean_weights, goodput_by_period
from agents.twin_policies import TwinPlanner
from twin_envs.csi.link import Link, NrLink, ShannonLink
from twin_envs.envs.cell import Cell
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS


def test_the_mean_over_a_period_of_a_rate_that_falls_steadily_is_the_one_at_half_the_period() -> None:
    falling = 5.0 - 0.01 * torch.tensor(AGES_SLOTS, dtype=torch.float32)
    means = _mean_weights() @ falling
    expected = 5.0 - 0.01 * np.round(IDEAL_PERIODS_SLOTS) / 2
    np.testing.assert_allclose(means.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("link", [ShannonLink(), NrLink()], ids=["shannon", "nr"])
def test_goodput_is_the_mean_over_a_period_of_what_the_best_mcs_delivers(link: Link) -> None:
    generator = torch.Generator().manual_seed(0)
    ages = len(AGES_SLOTS)
    h = torch.randn(3, ages, 2, 6, dtype=torch.complex64, generator=generator)
    w = torch.randn(3, 2, 6, 5, dtype=torch.complex64, generator=generator)
    w[torch.arange(3), :, :, torch.tensor([0, 3, 4])] *= 5
    noise, ue = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0, 3, 4])
    goodput = goodput_by_period(link, h, w, noise, ue).numpy()
    slots = np.arange(AGES_SLOTS[-1]) + 0.5
    for n in range(3):
        best = np.zeros(ages)
        for age in range(ages):
            sinr = torch.zeros(2)
            for f in range(2):
                power = np.abs(h[n, age, f].numpy() @ w[n, f].numpy()) ** 2
                sinr[f] = float(power[ue[n]] / (power.sum() - power[ue[n]] + noise[n].item()))
            best[age] = link.goodput(sinr).max()
        fine = np.interp(slots, AGES_SLOTS, best)
        expected = [fine[: round(period)].mean() for period in IDEAL_PERIODS_SLOTS]
        assert fine.max() > 0.5
        np.testing.assert_allclose(goodput[n], expected, atol=1e-3)


class Steady(Planner):
    """Knows how each UE's rate falls with its period: by `slope` for each slot."""

    def __init__(self, slope: list[float], utilisation: float) -> None:
        super().__init__(utilisation)
        self.slope = torch.tensor(slope, dtype=torch.float32)

    def goodput(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        return 5.0 - self.slope[ue, None] * self._ideal_slots


def planned(slope: list[float], utilisation: float = 1.0, **options: object) -> np.ndarray:
    envs = make_envs("FeedbackInterval", 1, num_ue=len(slope), **options)
    observation, _ = envs.reset(seed=1)
    planner = Steady(slope, utilisation)
    planner.attach(envs)
    planner.predict(observation)
    return planner._plan()[0].numpy()


def test_periods_follow_the_square_root_law() -> None:
    """Losses a_i P_i under sum 1/P_i = 1/C are least for P_i in proportion to 1/sqrt(a_i)."""
    slope = np.array([0.002, 0.002, 0.008, 0.032])
    periods = planned(list(slope), uplink_period_slots=10)
    expected = 10 * np.sqrt(slope).sum() / np.sqrt(slope)
    np.testing.assert_allclose(periods, expected, rtol=0.11)  # the periods that are tried are 10 % apart
    assert (1 / periods).sum() * 10 == pytest.approx(1.0, abs=1e-3)


def test_a_plan_asks_for_as_many_reports_as_it_should_even_if_some_ues_do_not_age() -> None:
    for utilisation in (0.8, 1.0, 1.3):
        periods = planned([0.0, 0.005, 0.005, 0.0, 0.01, 0.007], utilisation, uplink_period_slots=20)
        assert (1 / periods).sum() * 20 == pytest.approx(utilisation, abs=1e-3)
        assert periods[0] == pytest.approx(320)


def test_no_report_is_asked_for_that_costs_more_than_it_yields() -> None:
    assert planned([0.0] * 4, uplink_period_slots=10) == pytest.approx(320)
    assert planned([1e-5] * 4, uplink_period_slots=10).min() > 100


def play(planner: Planner, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Speed of the UE that reported and the period chosen for it, for every decision of some vehicle cells."""
    envs = make_envs("FeedbackInterval", 6, population="vehicles", num_ue=4, episode_slots=400)
    observation, _ = envs.reset(seed=seed)
    planner.attach(envs)
    speed, period = [], []
    for _ in range(25):
        known = envs.core.known
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
