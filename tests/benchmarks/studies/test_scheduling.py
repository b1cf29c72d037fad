"""What it is worth to choose who reports."""

import pytest

from twin_envs.benchmarks.studies import scheduling as scheduling_study
from twin_envs.benchmarks.studies import study
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget


def test_study_of_report_scheduling_shows_what_the_oracle_could_gain(monkeypatch):
    monkeypatch.setattr(scheduling_study, "PLACES", {"vehicles": {"population": "vehicles"}})
    told = Setting(
        env="ReportScheduling",
        options={"num_ue": 2, "episode_slots": 150, "codeword_bits": 56},
        seed=2,
        runs={},
        drawn=(),
        budget=StudyBudget(episodes=6),
        progress=lambda what, share, detail="": None,
    )
    found = study(told)["headroom_by_opportunities"]["vehicles"]
    means = {name: score["mean"] for name, score in found["policies"].items()}
    assert found["episodes"] == 3
    assert means["oracle"] == max(means.values())
    assert found["headroom"] == pytest.approx(means["oracle"] / means["round-robin"] - 1)
    assert found["twin - speed-age"]["mean"] == pytest.approx(means["twin"] - means["speed-age"])
