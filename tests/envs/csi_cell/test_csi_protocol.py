"""CsiProtocol, and the environments that are the same with the rest frozen."""

import numpy as np
import pytest

from twin_envs.envs.csi_cell.csi_protocol import CsiProtocolEnv, CsiProtocolFlatEnv
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv
from twin_envs.envs.csi_cell.pilot_density import PilotDensityEnv

OPTIONS = {"num_ue": 3, "episode_slots": 160, "population": "vehicles", "beyond_nr": True, "device": "cpu"}
FROZEN = {"pilot_density": 0.25, "codec": "csinet", "codeword_bits": 128, "dmrs_additional": 2}


def play(env, actions, seed=4):
    """Observations, rewards and infos of an episode, step i taking `actions(i)`."""
    observation, _ = env.reset(seed=seed)
    steps, truncated = [(observation, None, None)], False
    while not truncated:
        observation, reward, terminated, truncated, info = env.step(actions(len(steps)))
        assert not terminated
        steps.append((observation, reward, info))
    return steps


def assert_equal(one, other):
    """Two episodes are the same in observations, rewards and infos."""
    assert len(one) == len(other) > 5
    for (seen, reward, info), (seen_too, reward_too, info_too) in zip(one, other, strict=True):
        assert np.array_equal(seen, seen_too)
        assert reward == reward_too
        np.testing.assert_equal(info, info_too)


@pytest.fixture(scope="module")
def protocol():
    return CsiProtocolEnv(**OPTIONS, **FROZEN)


def test_feedback_interval_is_this_with_pilots_and_codeword_frozen(protocol):
    frozen = play(FeedbackIntervalEnv(**OPTIONS, **FROZEN, csi_rs="aperiodic"), lambda i: i % 7)
    assert_equal(frozen, play(protocol, lambda i: np.array([i % 7, 2, 2, 1])))


def test_pilot_density_is_this_with_period_and_codeword_frozen(protocol):
    frozen = play(PilotDensityEnv(**OPTIONS, **FROZEN, report_period_slots=16), lambda i: (7 * i) % 20)
    assert_equal(frozen, play(protocol, lambda i: np.array([4, (7 * i) % 20 // 4, (7 * i) % 4, 1])))


def test_flat_actions_count_through_the_choices(protocol):
    choices = [np.random.default_rng(i).integers([10, 5, 4, 4]) for i in range(200)]
    flat = play(CsiProtocolFlatEnv(**OPTIONS, **FROZEN), lambda i: int(choices[i] @ [80, 16, 4, 1]))
    assert_equal(flat, play(protocol, lambda i: choices[i]))


def test_an_action_is_what_holds_for_the_ue_from_then_on(protocol):
    protocol.reset(seed=0)
    state = protocol.network.state
    who = int(state.turn)
    protocol.step(np.array([5, 3, 1, 2]))
    assert state.period_slots[0, who] == 20
    assert state.spacing[0, who] == 8
    assert state.dmrs_additional[0, who] == 1
    assert state.codeword_bits[0, who] == 256
    others = [ue for ue in range(3) if ue != who]
    assert state.spacing[0, others].tolist() == [4, 4]
    assert state.dmrs_additional[0, others].tolist() == [2, 2]
    assert state.codeword_bits[0, others].tolist() == [128, 128]


def test_the_reward_is_the_sum_of_its_terms(protocol):
    steps = play(protocol, lambda i: np.random.default_rng(i).integers([10, 5, 4, 4]))
    for _, reward, info in steps[1:]:
        assert reward == pytest.approx(info["delivered"] - info["pilot_cost"] - info["feedback_cost"], abs=1e-6)
    assert sum(info["elapsed_slots"] for _, _, info in steps[1:]) == OPTIONS["episode_slots"]


def total(env, action, term, seeds=range(3)):
    return sum(info[term] for seed in seeds for _, _, info in play(env, lambda i: action, seed)[1:])


def test_sparser_pilots_and_shorter_codewords_cost_less_and_deliver_less(protocol):
    """A block of a strong uplink carries any codeword; a weak one needs more blocks for more bits."""
    full, sparse, short = (np.array([6, s, 0, c]) for s, c in ((0, 3), (4, 3), (0, 0)))
    assert total(protocol, sparse, "pilot_cost") < 0.5 * total(protocol, full, "pilot_cost")
    options = {**OPTIONS, **FROZEN, "population": "walkers", "csi_uplink_share": 1.0, "ue_power_dbm": -40.0}
    weak, seeds = CsiProtocolEnv(**options), range(13, 16)  # with UEs behind buildings
    assert total(weak, short, "feedback_cost", seeds) < 0.5 * total(weak, full, "feedback_cost", seeds)
    delivered = total(protocol, full, "delivered")
    assert total(protocol, sparse, "delivered") < delivered
    assert total(protocol, short, "delivered") < delivered


def test_dm_rs_takes_symbols_and_pays_where_a_fast_ues_frequency_is_not_tracked():
    """One UE, Shannon's link: of equal SINR the share of data symbols alone counts; untracked, the shift does."""
    alone = {**OPTIONS, "num_ue": 1, "link": "shannon"}
    one, two = np.array([2, 0, 0, 3]), np.array([2, 0, 1, 3])
    tracked, untracked = (CsiProtocolEnv(**alone, frequency_tracking=tracking) for tracking in (True, False))
    ratio = total(tracked, two, "delivered") / total(tracked, one, "delivered")
    assert 40 / 44 - 1e-3 < ratio < 1  # symbols of DDDS beside PDCCH and DM-RS: 3 x 11 + 7 of 3 x 12 + 8
    assert total(untracked, two, "delivered") > total(untracked, one, "delivered")
    assert total(untracked, one, "delivered") < total(tracked, one, "delivered")
