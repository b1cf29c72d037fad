"""FeedbackInterval: what actions mean, what is earned, and that a seed says it all, in any process."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from twin_envs.base.units import slot_duration_s
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv

OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}
KINDS = {
    "delivered": float,
    "pilot_cost": float,
    "feedback_cost": float,
    "elapsed_slots": int,
    "csi_age_slots": int,
    "bler": float,
    "outage": float,
    "ue": int,
}


@pytest.fixture(scope="module")
def env():
    return FeedbackIntervalEnv(**OPTIONS)


def play(env, seed, steps=1000):
    """Observations, rewards and infos of an episode with actions drawn from the seed."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    observations, rewards, infos, truncated = [observation], [], [], False
    while not truncated and len(rewards) < steps:
        observation, reward, _, truncated, info = env.step(rng.integers(10))
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    return np.array(observations), rewards, infos


def test_an_action_is_the_period_of_who_has_just_reported(env):
    env.reset(seed=0)
    state = env.network.state
    for action, period in enumerate(REPORT_PERIODS_SLOTS):
        who, now = int(state.turn), int(state.now_slots)
        assert state.report_slots[0, who] == max(now - 5, 0) // 10 * 10  # the last CSI-RS that it had time for
        env.step(action)
        if int(state.turn) != who:
            assert state.period_slots[0, who] == period
            assert state.due_slots[0, who] == now + period
        assert int(state.now_slots) % 5 == 4  # the uplink slot of DDDSU


def test_only_the_period_is_decided(env):
    actions = torch.arange(10)
    decision = env.task.actions.decode(actions)
    assert decision.period_slots.tolist() == list(REPORT_PERIODS_SLOTS)
    assert decision.spacing.tolist() == [1] * 10
    assert decision.codeword_bits.tolist() == [env.core.config.codeword_bits] * 10
    assert decision.dmrs_additional.tolist() == [env.core.config.dmrs_additional] * 10


def test_the_reward_is_the_sum_of_its_terms_and_the_return_that_of_the_cell(env):
    _, rewards, infos = play(env, 3)
    for reward, info in zip(rewards, infos):
        assert reward == pytest.approx(info["delivered"] - info["pilot_cost"] - info["feedback_cost"], abs=1e-6)
        assert all(info[term] >= 0 for term in ("delivered", "pilot_cost", "feedback_cost"))
    assert sum(info["elapsed_slots"] for info in infos) == OPTIONS["episode_slots"]
    earned = sum(info["delivered"] for info in infos)
    spent = sum(info["pilot_cost"] + info["feedback_cost"] for info in infos)
    assert sum(rewards) == pytest.approx(earned - spent, abs=1e-5)
    assert 1 < sum(rewards) < 3 * 7.5  # bit/s/Hz: three UEs, 256QAM at most
    assert 0 < spent < 0.2 * earned
    assert infos[-1]["pilot_cost"] == infos[-1]["feedback_cost"] == 0  # nobody reports when time is over


def test_info_holds_plain_numbers_by_the_documented_names(env):
    _, _, infos = play(env, 1, steps=5)
    for info in infos:
        assert {key: type(value) for key, value in info.items() if key != "by_ue"} == KINDS
        assert info["by_ue"].shape == (3,)
        assert 0 <= info["ue"] < 3
    for key in KINDS:
        assert f"`{key}`" in FeedbackIntervalEnv.__doc__


def test_the_docstring_has_gymnasiums_sections_in_order():
    titles = [line.strip()[3:] for line in FeedbackIntervalEnv.__doc__.splitlines() if line.strip().startswith("## ")]
    assert titles == [
        "Description",
        "Action Space",
        "Observation Space",
        "Rewards",
        "Starting State",
        "Episode End",
        "Information",
        "Arguments",
        "Training",
        "Version History",
    ]
    assert "{table}" not in FeedbackIntervalEnv.__doc__
    assert ", ".join(str(period) for period in REPORT_PERIODS_SLOTS) in FeedbackIntervalEnv.__doc__
    assert slot_duration_s(30e3) == 0.5e-3  # as the docstring says


def test_equal_seeds_give_equal_episodes_and_others_other_ones(env):
    first, again, other = play(env, 5), play(FeedbackIntervalEnv(**OPTIONS), 5), play(env, 6)
    assert np.array_equal(first[0], again[0])
    np.testing.assert_equal(first[1:], again[1:])
    assert not np.allclose(first[0][0], other[0][0])
    assert first[1] != other[1]


def test_an_episode_leaves_no_trace_in_the_next(env):
    play(env, 8, steps=7)
    used, fresh = play(env, 5), play(FeedbackIntervalEnv(**OPTIONS), 5)
    assert np.array_equal(used[0], fresh[0])
    assert used[1] == fresh[1]


def test_no_global_generator_is_drawn_from_or_seeded(env):
    np.random.seed(3)  # noqa: NPY002, the point is to see it untouched
    torch.manual_seed(3)
    before = torch.get_rng_state()
    play(env, 2, steps=5)
    assert torch.equal(before, torch.get_rng_state())
    assert np.random.rand() == np.random.RandomState(3).rand()  # noqa: NPY002


OTHER_PROCESS = """
import json, sys
for name in ("sionna.rt", "mitsuba", "drjit"):
    sys.modules[name] = None  # importing them fails, as where there is no LLVM
import gymnasium, numpy, torch, twin_envs
torch.manual_seed(99)
env = gymnasium.make("twin_envs/FeedbackInterval-v1", **json.loads(sys.argv[1]))
rng = numpy.random.default_rng(5)
observation, _ = env.reset(seed=5)
rewards, truncated = [], False
while not truncated:
    observation, reward, _, truncated, _ = env.step(rng.integers(10))
    rewards.append(reward)
print(json.dumps([rewards, observation.tolist()]))
"""


def test_another_process_without_the_ray_tracer_gives_the_same_episode(env):
    command = [sys.executable, "-c", OTHER_PROCESS, json.dumps(OPTIONS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    rewards, last = json.loads(ran.stdout)
    observations, here, _ = play(env, 5)
    assert rewards == pytest.approx(here, abs=1e-5)
    assert last == pytest.approx(observations[-1].tolist(), abs=1e-4)
