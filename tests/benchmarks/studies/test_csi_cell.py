import numpy as np
import pytest

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.core.rollout import Episodes, evaluate
from twin_envs.benchmarks.studies import beams as beam_study
from twin_envs.benchmarks.studies import csi_cell as studies
from twin_envs.benchmarks.studies import scheduling as scheduling_study
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget

OPTIONS = {"num_ue": 2, "episode_slots": 200}


def test_contributions_of_the_ues_add_up_to_the_return():
    run = evaluate(RandomPolicy(0), make_envs("FeedbackInterval", 3, **OPTIONS), [5, 6, 7], keep=("speed",))
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


def setting(env):
    budget = StudyBudget(
        episodes=2, periods_slots=(40, 160), uplink_periods_slots=(40,), optimum_episodes=2, optimum_slots=100
    )
    return Setting(
        env=env, options=OPTIONS, seed=2, runs={}, drawn=(), budget=budget, progress=lambda what, share: None
    )


def test_studies_of_feedback_interval():
    found = studies.study(setting("FeedbackInterval"))
    assert set(found) == {"interval_by_speed", "best_fixed_by_speed", "headroom_by_uplink", "one_ue"}
    assert set(found["headroom_by_uplink"]) == {"40"}
    one_ue = found["one_ue"]
    planned = [value for name, value in one_ue.items() if name in ("oracle", "twin") or name.startswith("fixed-")]
    assert len(planned) == 12
    assert one_ue["optimum"] >= max(planned) - 1e-6


@pytest.fixture
def beams(monkeypatch):
    """A small study about beams."""
    options = {"num_ue": 3, "cycle_slots": 9600, "episode_slots": 9600, "link": "shannon"}
    budget = StudyBudget(episodes=4)

    def run(env):
        told = Setting(
            env=env, options=options, seed=2, runs={}, drawn=(), budget=budget, progress=lambda what, share: None
        )
        return studies.study(told)

    return run


def test_study_of_beam_selection_shows_what_calibration_is_worth(beams, monkeypatch):
    monkeypatch.setattr(beam_study, "_PLACES", {"default": {}})
    monkeypatch.setattr(beam_study, "_CALIBRATIONS", {})
    found = beams("BeamSelection")["worth_of_the_twin"]["default"]
    by_sweeps = found["calibration_sweeps"]
    assert set(by_sweeps) == {"0", "20"}
    for scores in by_sweeps.values():
        assert 0 < scores["top_1"] <= scores["top_2"] <= scores["top_3"] <= scores["rate_of_3"] < 1
    assert by_sweeps["20"]["top_3"] > by_sweeps["0"]["top_3"]
    assert by_sweeps["0"]["twin-planner over no calibration"]["mean"] == 0
    assert found["policies"]["oracle"]["mean"] > by_sweeps["20"]["twin-3"]["mean"]


def test_study_of_report_scheduling_shows_what_the_oracle_could_gain(monkeypatch):
    monkeypatch.setattr(scheduling_study, "_PLACES", {"vehicles": {"population": "vehicles"}})
    told = Setting(
        env="ReportScheduling",
        options={"num_ue": 2, "episode_slots": 300, "codeword_bits": 64},
        seed=2,
        runs={},
        drawn=(),
        budget=StudyBudget(episodes=6),
        progress=lambda what, share: None,
    )
    found = studies.study(told)["headroom_by_opportunities"]["vehicles"]
    means = {name: score["mean"] for name, score in found["policies"].items()}
    assert found["episodes"] == 3
    assert means["oracle"] == max(means.values())
    assert found["headroom"] == pytest.approx(means["oracle"] / means["round-robin"] - 1)
    assert found["twin - speed-age"]["mean"] == pytest.approx(means["twin"] - means["speed-age"])


def test_study_of_twin_fidelity_ranks_the_twins_and_sorts_bursts(beams):
    found = beams("TwinFidelity")
    assert list(found["twins"]) == ["twin-los", "twin-depth1", "twin", "twin-diffraction"]
    quick, good = found["twins"]["twin-los"], found["twins"]["twin"]
    assert quick["latency_slots"] < good["latency_slots"]
    assert quick["calibrated"]["rate_of_3"] < good["calibrated"]["rate_of_3"]
    assert all(set(by) <= {"160", "320", "640", "1280", "2560"} for by in found["mean_by_deadline"].values())


def test_bursts_of_an_episode_have_its_return_as_their_mean():
    steps = {
        "episode": np.array([0, 0, 1, 1, 1]),
        "delivered": np.array([1.0, 2.0, 1.0, 1.0, 2.0]),
        "sweep_cost": np.full(5, 0.5),
        "deadline_slots": np.array([80, 160, 80, 80, 160]),
    }
    run = Episodes(seeds=np.arange(2), returns=np.array([2.0, 2.5]), steps=steps)
    found = beam_study.mean_by_deadline(run)
    assert found == {"80": pytest.approx((1.0 + 1.5 + 1.5) / 3), "160": pytest.approx((3.0 + 4.5) / 2)}


def test_studies_of_association():
    found = studies.study(setting("ApSelection"))["gain_kept"]
    assert set(found) == {"nearest", "path-loss", "twin-gain", "twin-fused", "strongest"}


def test_environment_without_studies_has_none():
    assert studies.study(setting("Toy")) == {}
