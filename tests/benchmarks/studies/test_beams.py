"""What twins are worth where beams are chosen."""

import numpy as np
import pytest

from twin_envs.agents.core.rollout import Episodes
from twin_envs.benchmarks.studies import beams as beam_study
from twin_envs.benchmarks.studies import study
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget


@pytest.fixture
def beams():
    """A small study about beams."""
    options = {"num_ue": 3, "cycle_slots": 9600, "episode_slots": 9600, "link": "shannon"}
    budget = StudyBudget(episodes=4)

    def run(env):
        told = Setting(
            env=env,
            options=options,
            seed=2,
            runs={},
            drawn=(),
            budget=budget,
            progress=lambda what, share, detail="": None,
        )
        return study(told)

    return run


def test_study_of_beam_selection_shows_what_calibration_is_worth(beams, monkeypatch):
    monkeypatch.setattr(beam_study, "PLACES", {"default": {}})
    monkeypatch.setattr(beam_study, "CALIBRATIONS", {})
    found = beams("BeamSelection")["worth_of_the_twin"]["default"]
    by_sweeps = found["calibration_sweeps"]
    assert set(by_sweeps) == {"0", "20"}
    for scores in by_sweeps.values():
        assert 0 < scores["top_1"] <= scores["top_2"] <= scores["top_3"] <= scores["rate_of_3"] < 1
    assert by_sweeps["20"]["top_3"] > by_sweeps["0"]["top_3"]
    assert by_sweeps["0"]["twin-planner over no calibration"]["mean"] == 0
    assert found["policies"]["oracle"]["mean"] > by_sweeps["20"]["twin-3"]["mean"]


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
        "ssb_cost": np.full(5, 0.3),
        "sweep_cost": np.full(5, 0.1),
        "feedback_cost": np.full(5, 0.1),
        "deadline_slots": np.array([80, 160, 80, 80, 160]),
    }
    run = Episodes(seeds=np.arange(2), returns=np.array([2.0, 2.5]), steps=steps)
    found = beam_study.mean_by_deadline(run)
    assert found == {"80": pytest.approx((1.0 + 1.5 + 1.5) / 3), "160": pytest.approx((3.0 + 4.5) / 2)}
