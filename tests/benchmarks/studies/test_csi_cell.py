"""Which report period suits which UEs, and how near plans are to the best."""

import numpy as np

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.core.rollout import Episodes, play
from twin_envs.benchmarks.studies import csi_cell as studies
from twin_envs.benchmarks.studies import study
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget

OPTIONS = {"num_ue": 2, "episode_slots": 200}


def test_contributions_of_the_ues_add_up_to_the_return():
    run = play(RandomPolicy(0), make_envs("FeedbackInterval", 3, **OPTIONS), [5, 6, 7], keep=("speed",))
    added, speed = studies.contribution(run)
    assert added.shape == speed.shape == (3, OPTIONS["num_ue"])
    assert np.allclose(added.sum(1), run.returns, rtol=1e-5)


def made_up(actions, speed, los, known):
    """An episode of one UE with the given decisions, one in each slot."""
    count = len(actions)
    zeros = np.zeros(count, np.int64)
    steps = {
        "episode": zeros,
        "decided_ue": zeros,
        "ue": zeros,
        "action": np.array(actions),
        "speed": np.array(speed),
        "twin_los_probability": np.array(los),
        "known": np.array(known),
        "by_ue": np.full((count, 1), 0.5),
    }
    return Episodes(seeds=zeros[:1], returns=np.array([0.5 * count]), steps=steps)


def test_periods_by_speed_sort_decisions_by_speed_and_sight():
    los = [0.9, 0.9, 0.1, 0.9, 0.9, 0.0]
    run = made_up([0, 1, 2, 9, 9, 8], [1.0, 1.2, 1.4, 0.1, 0.2, 9.0], los, [1, 1, 1, 1, 1, 0])
    found = studies.periods_by_speed(run)
    assert found["walking"]["all"]["median_slots"] == 5.0
    assert found["walking"]["los"]["median_slots"] == 4.5
    assert found["walking"]["nlos"] == {
        "median_slots": 8.0,
        "low_quartile_slots": 8.0,
        "high_quartile_slots": 8.0,
        "decisions": 1,
    }
    assert found["still"]["all"]["decisions"] == 2
    assert set(found["driving"]) == {"all"}


def test_best_period_by_speed_compares_contributions():
    runs = {4: made_up([0, 0], [1.0, 1.0], [1, 1], [1, 1]), 40: made_up([6] * 3, [1.0] * 3, [1] * 3, [1] * 3)}
    found = studies.best_fixed_by_speed(runs)
    assert found == {"walking": {"best_period_slots": 40, "mean_contribution": {"4": 1.0, "40": 1.5}}}


def test_studies_of_feedback_interval():
    budget = StudyBudget(
        episodes=2, periods_slots=(40, 160), csi_uplink_shares=(0.02,), optimum_episodes=1, optimum_slots=100
    )
    setting = Setting(
        env="FeedbackInterval",
        options=OPTIONS,
        seed=2,
        runs={},
        drawn=(),
        budget=budget,
        progress=lambda what, share, detail="": None,
    )
    found = study(setting)
    assert set(found) == {"interval_by_speed", "best_fixed_by_speed", "headroom_by_uplink", "one_ue"}
    assert set(found["headroom_by_uplink"]) == {"0.02"}
    one_ue = found["one_ue"]
    planned = [value for name, value in one_ue.items() if name in ("oracle", "twin") or name.startswith("fixed-")]
    assert len(planned) == 12
    assert one_ue["optimum"] >= max(planned) - 1e-6
