"""Policies about beams: what each does, and that they are as good as they should be where that is known."""

import itertools

import numpy as np
import pytest
import torch

from twin_envs.agents.beams.correction import CorrectionConfig, TwinCorrection
from twin_envs.agents.beams.fidelity import AdaptiveTwin, DeadlineRule
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.beams.rules import HierarchicalSweep, LastBeam, PeriodicSweep, TriggeredSweep
from twin_envs.agents.beams.twin import GoodputTable, TwinBeam, TwinSweep, TwinSweepPlanner
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import db_to_linear, linear_to_db

BEAM = 25


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def envs():
    return make_envs("BeamSelection", 2, num_ue=1, cycle_slots=320, episode_slots=9600, device="cpu")


@pytest.fixture
def signal(envs):
    """Sets the SNR [dB] of beam `BEAM`, which serves, and asks a policy for centre and width."""
    envs.reset(seed=0)

    def ask(policy, snr_db, first=False):
        known = envs.core.known
        known.now_slots[:] = 0 if first else 320
        known.beam[:] = BEAM
        known.snr[..., BEAM] = 10 ** (snr_db / 10)
        action, _ = policy.predict(None)
        assert (action // 5 == BEAM).all()
        return int(action[0] % 5)

    return ask


def attached(policy, envs):
    policy.attach(envs)
    return policy


def test_the_last_beam_is_the_centre(envs, signal):
    assert [signal(attached(LastBeam(width), envs), 10) for width in range(5)] == list(range(5))


def test_all_beams_come_round_periodically_and_anew_in_each_episode(envs, signal):
    policy = attached(PeriodicSweep(1, 3), envs)
    assert [signal(policy, 10, first=turn == 0) for turn in range(7)] == [1, 1, 4, 1, 1, 4, 1]
    assert [signal(policy, 10, first=turn == 0) for turn in range(3)] == [1, 1, 4]


def test_a_fallen_signal_triggers_a_sweep_of_all_beams_once(envs, signal):
    policy = attached(TriggeredSweep(2, 6.0), envs)
    widths = [signal(policy, snr_db, first=turn == 0) for turn, snr_db in enumerate((20, 15, 22, 17, 15, 15, 8))]
    assert widths == [2, 2, 2, 2, 4, 2, 4]


def test_sweeps_widen_while_the_signal_stays_low(envs, signal):
    policy = attached(HierarchicalSweep(1, 6.0), envs)
    widths = [signal(policy, snr_db, first=turn == 0) for turn, snr_db in enumerate((20, 10, 10, 10, 10, 20, 10, 19))]
    assert widths == [1, 2, 3, 4, 1, 1, 2, 1]


@pytest.mark.parametrize("make", [lambda: TriggeredSweep(1, 0.0), lambda: PeriodicSweep(1, 0), lambda: LastBeam(5)])
def test_constants_outside_their_range_are_refused(make):
    with pytest.raises(ConfigurationError):
        make()


def test_a_twins_sweep_is_wider_the_more_of_the_places_it_must_hold(envs):
    envs.reset(seed=1)
    rows = torch.arange(2)
    widths = []
    for share in (0.0, 0.5, 0.9, 1.0):
        centre, width = attached(TwinSweep(share), envs).choose(rows, rows * 0)
        beliefs = envs.core.twin.ask(envs.core.known.sensed(rows, rows * 0), envs.core.known.ap)
        assert torch.equal(centre, beliefs.mean_power.argmax(-1))
        widths.append(width)
    assert (widths[0] == 0).all()
    assert all((wide >= narrow).all() for narrow, wide in itertools.pairwise(widths))


def test_the_twin_alone_sweeps_round_its_best_beam_whatever_was_measured(envs):
    envs.reset(seed=1)
    rows, core = torch.arange(2), envs.core
    policy = attached(TwinBeam(1), envs)
    centre, width = policy.choose(rows, rows * 0)
    beliefs = core.twin.ask(core.known.sensed(rows, rows * 0), core.known.ap)
    assert torch.equal(centre, beliefs.mean_power.argmax(-1))
    assert (width == 1).all()
    core.known.snr.fill_(1e-3)
    assert torch.equal(policy.choose(rows, rows * 0)[0], centre)
    core.known.sensing.position[:] = 1e4
    assert torch.equal(policy.choose(rows, rows * 0)[0], core.known.beam[:, 0])


def test_goodput_is_looked_up_as_the_link_delivers_it(envs):
    snr_db = torch.tensor([-15.0, 0.25, 10.5, 20.0])
    expected = envs.core.link.goodput(db_to_linear(snr_db)[:, None]).amax(-1)
    torch.testing.assert_close(GoodputTable(envs.core.link, envs.core.device)(snr_db), expected, atol=0.02, rtol=0)


def test_what_was_measured_just_now_is_believed_and_fades(envs):
    envs.reset(seed=2)
    rows, known = torch.arange(2), envs.core.known
    correction = TwinCorrection(envs.core, CorrectionConfig(own_db=0.1, memory_s=1.0, memory_m=1e6))
    correction.begin(rows)
    found_db = linear_to_db(known.snr[:, 0], -10.0)
    fresh = correction.sample_snr_db(rows, rows * 0)
    assert float((fresh.mean(1) - found_db).abs().mean()) < 1.0
    known.now_slots[:] = round(20.0 / envs.core.slot_s)
    old = correction.sample_snr_db(rows, rows * 0)
    assert float(old.std(1).mean()) > 3 * float(fresh.std(1).mean())


def mean_return(policy, env, seeds, **options):
    envs = make_envs(env, len(seeds), device="cpu", **options)
    policy.attach(envs)
    observation, _ = envs.reset(seed=list(seeds))
    total, over = np.zeros(len(seeds)), False
    while not over:
        observation, rewards, _, truncated, _ = envs.step(policy.predict(observation)[0])
        total += rewards
        over = truncated.all()
    return total.mean()


def test_with_a_perfect_twin_the_planner_beats_sweeps_round_the_last_beam_and_the_oracle_beats_both():
    options = {"world": "twin", "blockers": 0, "self_blocking": False, "num_ue": 3, "episode_slots": 60_000}
    policies = (LastBeam(1), TwinSweepPlanner(), OracleSweep())
    last, planner, oracle = (mean_return(p, "BeamSelection", range(40, 56), **options) for p in policies)
    assert last < planner < oracle


def test_the_deadline_rule_takes_the_dearest_twin_that_is_in_time():
    envs = make_envs("TwinFidelity", 3, device="cpu", num_ue=2, episode_slots=8000, cycle_slots=8000)
    envs.reset(seed=0)
    envs.task.latency_slots = torch.tensor([10, 100, 200, 400])
    envs.core.known.burst_slots[:] = torch.tensor([5, 150, 2010])
    assert attached(DeadlineRule(1.0), envs).predict(None)[0].tolist() == [0, 1, 3]
    assert attached(DeadlineRule(0.1), envs).predict(None)[0].tolist() == [0, 0, 2]


def test_who_waits_unwillingly_asks_quicker_twins_and_deadlines_matter():
    envs = make_envs("TwinFidelity", 8, device="cpu", num_ue=2, episode_slots=8000, cycle_slots=8000)
    envs.reset(seed=0)
    known, chosen = envs.core.known, {}
    for burst in (160, 2560):
        known.burst_slots[:] = burst
        for impatience in (1.0, 100.0):
            chosen[burst, impatience] = attached(AdaptiveTwin(impatience, places=500), envs).predict(None)[0].mean()
    assert chosen[160, 100.0] <= chosen[160, 1.0]
    assert chosen[2560, 100.0] <= chosen[2560, 1.0]
    assert chosen[2560, 1.0] > chosen[160, 100.0]


def test_the_oracle_of_fidelity_beats_every_single_twin():
    options = {"num_ue": 3, "episode_slots": 60_000, "link": "shannon"}
    single = [mean_return(FixedPolicy(t), "TwinFidelity", range(60, 76), **options) for t in range(4)]
    assert mean_return(OracleTwin(), "TwinFidelity", range(60, 76), **options) > max(single)
