"""The planner's arithmetic, and what it does with UEs that move and UEs that do not."""

import itertools

import numpy as np
import pytest
import torch

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.agents.csi_cell.appraisal import (
    AGES_SLOTS,
    IDEAL_PERIODS_SLOTS,
    Outlook,
    RecentMean,
    goodput,
    goodput_table,
    mean_over_periods,
)
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.agents.csi_cell.planner import Planner
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.csi.link import Link, NrLink, ShannonLink
from twin_envs.csi.nr.dmrs import equalised_sinr
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.view import CsiCellView


@pytest.mark.parametrize("ages_slots", [AGES_SLOTS, AgeingTwin.ages_slots])
def test_the_mean_over_a_period_of_a_rate_that_falls_steadily_is_the_one_at_half_the_period(
    ages_slots: tuple[int, ...],
) -> None:
    """Beyond the last age that is looked at it falls no more."""
    falling = 5.0 - 0.01 * torch.tensor(ages_slots, dtype=torch.float32)
    means = mean_over_periods(falling[None, :, None], ages_slots)[0, :, 0]
    period, last = np.round(IDEAL_PERIODS_SLOTS), ages_slots[-1]
    falls = np.minimum(period, last)
    expected = 5.0 - 0.01 * (falls**2 / 2 + last * (period - falls)) / period
    np.testing.assert_allclose(means.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("link", [ShannonLink(), NrLink()], ids=["shannon", "nr"])
def test_goodput_is_what_the_best_mcs_delivers_at_each_age_less_what_the_report_gets_wrong(link: Link) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (3, 2, len(AGES_SLOTS), 6)
    signal, disturbance = (torch.rand(shape, generator=generator) * scale + 0.1 for scale in (20.0, 1.0))
    still = torch.tensor([1.0, 0, 0], dtype=torch.complex64).expand(3, 2, 6, 3)
    weight, stray = torch.tensor([[1.0, 0.0], [1.0, 3.0], [1.0, 1.0]]), torch.tensor([0.5, 1.0, 2.0])
    error = torch.rand(3, 5, 4, generator=generator) * 0.3
    outlook = Outlook(
        signal=signal, disturbance=disturbance, weight=weight, stray=stray, own=still, error=error,
        present=torch.zeros(3), noise=1e-3,
    )  # fmt: skip
    modes = [Mode(csi_rs=0, additional=0, codeword=3), Mode(csi_rs=4, additional=2, codeword=1)]
    rates = goodput(outlook, modes, goodput_table(link, torch.device("cpu")), 1e-5).numpy()
    for n, (m, mode) in itertools.product(range(3), enumerate(modes)):
        wrong = error[n, mode.csi_rs, mode.codeword]
        sinr = signal[n] * (1 - wrong) / (disturbance[n] + wrong * stray[n])
        sinr = equalised_sinr(sinr, still[n, 0, 0], torch.tensor(mode.additional), 1e-5)
        by_band = link.goodput(sinr[..., None]).amax(-1).mean(-1)  # [places, ages]
        expected = (by_band * weight[n, :, None]).sum(0) / weight[n].sum() * (12 - mode.additional) / 13
        np.testing.assert_allclose(rates[n, :, m], expected.numpy(), atol=0.06)  # rates are tabled by quarter decibels


def test_what_is_foreseen_is_averaged_over_all_reports_of_a_ue_and_later_over_the_last() -> None:
    mean, rows, ue = RecentMean(2, 2, (3,), torch.device("cpu")), torch.tensor([0, 1]), torch.tensor([1, 0])
    foreseen = np.random.default_rng(0).random((12, 2, 3), dtype=np.float32)
    for count in range(1, 6):
        learnt = mean.learn(rows, ue, torch.tensor(foreseen[count - 1]))
        np.testing.assert_allclose(learnt, foreseen[:count].mean(0), rtol=1e-5)
    for values in foreseen[5:]:
        learnt = mean.learn(rows, ue, torch.tensor(values))
    weights = 0.2 * 0.8 ** np.arange(7)[::-1]
    expected = np.tensordot(weights, foreseen[5:], 1) + 0.8**7 * foreseen[:5].mean(0)
    np.testing.assert_allclose(learnt, expected, rtol=1e-5)
    assert (mean.value[rows, 1 - ue] == 0).all()  # the other UEs' are theirs
    mean.forget(rows[:1])
    learnt = mean.learn(rows, ue, torch.tensor(foreseen[0]))
    np.testing.assert_allclose(learnt[0], foreseen[0, 0], rtol=1e-5)
    np.testing.assert_allclose(learnt[1], 0.8 * expected[1] + 0.2 * foreseen[0, 1], rtol=1e-5)


SHARE_10 = 1 / (51 * 0.2 * 10)
"""Share of the uplink, 51 blocks in one slot of five, that is a block, and so a report, in 10 slots."""


class Steady(Planner):
    """Knows how each UE's rate falls with its period, by `slope` for each slot, and what each codeword adds to it."""

    def __init__(self, slope: list[float], utilisation: float, by_codeword: tuple[float, ...] = (0.0,) * 4) -> None:
        super().__init__(utilisation)
        self.slope, self.by_codeword = torch.tensor(slope, dtype=torch.float32), torch.tensor(by_codeword)

    def goodput(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        ages = torch.tensor(AGES_SLOTS)
        more = self.by_codeword[[mode.codeword for mode in self.actions.modes]]
        return (5.0 - 2 * self.slope[ue, None] * ages)[..., None] + more  # the mean over a period falls by `slope`

    def outlook(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> Outlook:
        raise AssertionError("goodput asks for none")

    def uplink_gain(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        return torch.full((len(rows),), 1e-9)


def planned(slope: list[float], utilisation: float = 1.0, **options: object) -> np.ndarray:
    planner, _ = planning(Steady(slope, utilisation), "FeedbackInterval", **options)
    return planner.plan()[0][0].numpy()


def planning(planner: Steady, env: str, **options: object) -> tuple[Steady, np.ndarray]:
    """A planner that has learnt of all UEs of a cell, and an observation of the cell."""
    envs = make_envs(env, 1, num_ue=len(planner.slope), codec="csinet", **options)
    observation, _ = envs.reset(seed=1)
    planner.attach(envs.network)
    planner.predict(observation)
    return planner, observation


def test_periods_follow_the_square_root_law() -> None:
    """Losses a_i P_i under sum 1/P_i = 1/C are least for P_i in proportion to 1/sqrt(a_i)."""
    slope = np.array([0.002, 0.002, 0.008, 0.032])
    periods = planned(list(slope), csi_uplink_share=SHARE_10)
    expected = 10 * np.sqrt(slope).sum() / np.sqrt(slope)
    np.testing.assert_allclose(periods, expected, rtol=0.11)  # the periods that are tried are 10 % apart
    assert (1 / periods).sum() * 10 == pytest.approx(1.0, abs=1e-3)


def test_a_plan_asks_for_as_many_reports_as_it_should_even_if_some_ues_do_not_age() -> None:
    for utilisation in (0.8, 1.0, 1.3):
        periods = planned([0.0, 0.005, 0.005, 0.0, 0.01, 0.007], utilisation, csi_uplink_share=SHARE_10 / 2)
        assert (1 / periods).sum() * 20 == pytest.approx(utilisation, abs=1e-3)
        assert periods[0] == pytest.approx(IDEAL_PERIODS_SLOTS[-1])


def test_no_report_is_asked_for_that_costs_more_than_it_yields() -> None:
    assert planned([0.0] * 4, csi_uplink_share=SHARE_10) == pytest.approx(IDEAL_PERIODS_SLOTS[-1])
    assert planned([1e-5] * 4, csi_uplink_share=SHARE_10).min() > 100


def test_ues_that_age_fast_send_short_reports_and_those_that_do_not_long_ones() -> None:
    """UEs whose power is low: the two longer codewords take more resource blocks than one."""
    planner = Steady([0.0, 0.0015, 0.01, 0.2], 1.2, by_codeword=(-1.0, -0.6, -0.3, 0.0))
    planner, observation = planning(planner, "CsiProtocol", csi_uplink_share=0.02, ue_power_dbm=-34.2)
    lengths = torch.tensor(planner.cell.codec.codeword_lengths)
    slots = (planner.cell.grant(torch.full((4,), 1e-9), lengths).block_slots / (51 * 0.2 * 0.02)).numpy()
    assert slots[0] == slots[1] < slots[2] < slots[3]
    period_slots, kind = (of_all[0].numpy() for of_all in planner.plan())
    assert kind[0] == 3
    assert kind[3] == 1  # of the two that take one block the better one
    assert (np.diff(kind) <= 0).all()
    assert (np.diff(period_slots) < 0).all()
    assert (np.diff(period_slots / slots[kind])[1:] < 0).all()  # what does not age reports as seldom as can be
    assert (slots[kind] / period_slots).sum() == pytest.approx(1.2, abs=1e-3)
    with torch.inference_mode():
        planner.cell.state.turn[:] = 3
    actions, _ = planner.predict(observation)
    decision = planner.actions.decode(torch.from_numpy(actions))
    assert decision.codeword_bits.tolist() == [128]


def test_a_report_that_arrives_late_yields_what_is_left_of_it() -> None:
    falling = 5.0 - 0.01 * torch.tensor(AGES_SLOTS, dtype=torch.float32)[None, :, None]
    late, prompt = (mean_over_periods(falling, AGES_SLOTS, delay)[0, :20, 0].numpy() for delay in (10, 0))
    np.testing.assert_allclose(late, prompt - 0.1, atol=1e-4)


def play(planner: Planner, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Speed of the UE that reported and the period chosen for it, for every decision of some vehicle cells."""
    envs = make_envs("FeedbackInterval", 6, population="vehicles", num_ue=4, episode_slots=400)
    observation, _ = envs.reset(seed=seed)
    attach(planner, envs)
    network, speed, period = envs.network, [], []
    for _ in range(25):
        moving = network.sensing.velocity[torch.arange(6), network.state.turn].norm(dim=-1)
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


def test_a_plan_is_a_function_of_what_the_network_knows() -> None:
    first, second = play(TwinPlanner(), seed=12), play(TwinPlanner(), seed=12)
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("planner", [TwinPlanner, OraclePlanner])
def test_a_mode_is_one_that_the_environment_offers_and_all_ports_are_for_the_strong(planner: type[Planner]) -> None:
    envs = make_envs("PilotDensity", 8, num_ue=4, episode_slots=400, neighbour_load=1.0)
    observation, _ = envs.reset(seed=2)
    policy = planner()
    attach(policy, envs)
    layout, snr_db, ports = envs.observation_layout, [], []
    of_action = np.repeat([csi_rs.ports for csi_rs in envs.task.actions.csi_rs], 4)
    for _ in range(12):
        actions, _ = policy.predict(observation)
        assert envs.action_space.contains(actions)
        snr_db.append(layout.value(observation, "snr"))
        ports.append(of_action[actions])
        observation, *_ = envs.step(actions)
    snr_db, ports = np.concatenate(snr_db), np.concatenate(ports)
    weak = snr_db < np.median(snr_db)
    assert ports[weak].mean() < ports[~weak].mean()


def test_errors_of_reports_fall_with_bits_and_density() -> None:
    envs = make_envs("CsiProtocol", 12, num_ue=2, episode_slots=200, beyond_nr=True)
    envs.reset(seed=3)
    planner = OraclePlanner()
    attach(planner, envs)
    rows = torch.arange(12)
    with torch.inference_mode():
        error = planner.outlook(envs.network, rows, torch.zeros_like(rows)).error.mean(0)
    assert error.shape == (5, 7)
    assert (error.diff(dim=1) < 0).all()
    assert error[0, 6] < error[3, 6] < error[4, 6]


@pytest.mark.parametrize("planner", [TwinPlanner, OraclePlanner])
def test_who_is_not_scheduled_now_is_expected_to_get_what_it_would_beside_the_others(planner: type[Planner]) -> None:
    """Otherwise it would never report again, and never be scheduled."""
    envs = make_envs("FeedbackInterval", 8, num_ue=10, episode_slots=400)
    envs.reset(seed=4)
    policy = planner()
    attach(policy, envs)
    cell = policy.cell
    rows = torch.arange(8)
    assert (~cell.state.scheduled).sum() > 8
    with torch.inference_mode():
        rates = torch.stack([policy.goodput(cell, rows, torch.full_like(rows, ue))[:, 0, 0] for ue in range(10)], 1)
        served, others = rates[cell.state.scheduled], rates[~cell.state.scheduled]
    assert (others > 0).float().mean() > 0.5
    assert others.mean() < served.mean()  # the scheduler has its reasons
