"""ReportScheduling: who is chosen reports at the next opportunity, and what the agent sees of everybody."""

import gymnasium
import numpy as np
import pytest

from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.envs.csi_cell.report_scheduling import ReportSchedulingEnv, ReportSchedulingVectorEnv, scheduling_layout

OPTIONS = {"num_ue": 3, "episode_slots": 200, "csi_uplink_share": 0.01, "device": "cpu"}
"""A report of one block in every second uplink slot of DDDSU, 9, 19, ..., about the CSI-RS in slot 0, 10, ..."""


@pytest.fixture(scope="module")
def env():
    return ReportSchedulingEnv(**OPTIONS)


def play(env, actions, seed=1):
    observation, _ = env.reset(seed=seed)
    steps, truncated = [(observation, 0.0, {})], False
    while not truncated:
        observation, reward, _, truncated, info = env.step(actions(len(steps) - 1))
        steps.append((observation, reward, info))
    return steps


def test_who_is_chosen_reports_at_the_next_opportunity_and_nobody_else(env):
    env.reset(seed=0)
    state, last = env.network.state, [0, 0, 0]
    for step, ue in enumerate([1, 1, 0, 2, 0, 1, 2, 2], start=1):
        *_, info = env.step(ue)
        assert info["ue"] == ue == int(state.turn)
        assert int(state.blocks[0, ue]) == 1
        assert info["elapsed_slots"] == (9 if step == 1 else 10)
        assert info["csi_age_slots"] == 10 * step - 1 - last[ue]
        last[ue] = 10 * (step - 1)
        assert state.report_slots[0].tolist() == last


def test_an_episode_ends_in_time_and_rewards_are_the_sum_of_their_terms(env):
    steps = play(env, lambda i: i % 3)
    assert sum(info["elapsed_slots"] for _, _, info in steps[1:]) == OPTIONS["episode_slots"]
    assert len(steps) - 1 == 21  # reports in slots 9, 19, ... 199, and the rest
    for _, reward, info in steps[1:]:
        assert reward == pytest.approx(info["delivered"] - info["pilot_cost"] - info["feedback_cost"], abs=1e-6)
    assert all(info["pilot_cost"] > 0 and info["feedback_cost"] > 0 for _, _, info in steps[1:-1])  # a CSI-RS in each
    assert steps[-1][2]["pilot_cost"] == steps[-1][2]["feedback_cost"] == 0


def test_the_agent_sees_everybodys_age_and_motion(env):
    layout = env.observation_layout
    seen = play(env, lambda i: i % 3)[6][0]  # after reports of 0, 1, 2, 0, 1, 2: UE 2 now, UE 1 one earlier
    ages = [10 ** layout.value(seen, f"ue_{ue}_age") for ue in (1, 0)]
    assert ages == pytest.approx([59 - 40, 59 - 30], rel=1e-3)
    env.reset(seed=1)
    speed = env.network.sensing.velocity[0].norm(dim=-1).numpy()
    first = play(env, lambda i: 0)[0][0]
    said = [10 ** layout.value(first, f"ue_{ue}_speed_logarithm") for ue in range(3)]
    np.testing.assert_allclose(said, np.clip(speed, 0.01, None), rtol=1e-3)


def test_the_layout_grows_with_the_cell_and_speaks_the_units_of_the_others():
    small, large = scheduling_layout(2), scheduling_layout(5)
    assert len(large.fields) - len(small.fields) == 3 * (len(small.fields) - 3) // 2
    units = {field.name: field.unit for field in CSI_LAYOUT.fields}
    for field in small.fields:
        name = field.name.removeprefix("ue_0_").removeprefix("ue_1_")
        assert name == "age" or field.unit == units[name]


def test_a_batch_is_as_many_single_environments(env):
    batch = ReportSchedulingVectorEnv(num_envs=2, **OPTIONS)
    assert batch.single_action_space == gymnasium.spaces.Discrete(3)
    batch.reset(seed=1)
    alone = [play(env, lambda i: (2 * i) % 3, seed) for seed in (1, 2)]
    for step in range(12):
        observation, reward, *_ = batch.step(np.full(2, (2 * step) % 3))
        for row in range(2):
            np.testing.assert_allclose(observation[row], alone[row][step + 1][0], atol=1e-4)
            assert reward[row] == pytest.approx(alone[row][step + 1][1], abs=1e-4)


def test_who_never_reports_falls_behind():
    """In cells of vehicles, serving one UE alone leaves the others' CSI to age: less in all than taking turns."""
    envs = ReportSchedulingVectorEnv(num_envs=6, **{**OPTIONS, "population": "vehicles", "episode_slots": 400})
    means = []
    for turns in (3, 1):
        envs.reset(seed=0)
        returns, running, step = np.zeros(6), np.ones(6, dtype=bool), 0
        while running.any():
            _, reward, _, truncated, _ = envs.step(np.full(6, step % turns))
            returns[running] += reward[running]
            running &= ~truncated
            step += 1
        means.append(returns.mean())
    assert means[0] > 1.05 * means[1]
