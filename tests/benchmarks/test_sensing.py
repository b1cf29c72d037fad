"""What each sensor adds: what is measured of it, and told."""

import json

import pytest
import torch

from twin_envs.agents.beams.twin import TwinBeam
from twin_envs.base.console import new_console
from twin_envs.benchmarks import sensing


@pytest.fixture
def small(monkeypatch):
    """Two sets of sensors, two short episodes, one policy."""
    monkeypatch.setattr(sensing, "SETS", ("gnss+imu", "gnss+imu+camera+radar"))
    monkeypatch.setattr(sensing, "QUICK_EPISODES", 8)
    monkeypatch.setattr(sensing, "POLICIES", {"BeamSelection": {"one beam": lambda: TwinBeam(0)}})
    options = {"gnss_bias_m": 2.5, "episode_slots": 20_480, "num_ue": 3}
    monkeypatch.setattr(sensing, "ENVIRONMENTS", {"BeamSelection": options})


def test_sensors_are_held_against_reality(small, tmp_path):
    sensing.main(quick=True, seed=1, device="cpu", json_path=tmp_path / "sensing.json")
    found = json.loads((tmp_path / "sensing.json").read_text(encoding="utf-8"))["figures"]["BeamSelection"]
    usual, helped = found["sensing"].values()
    assert helped["position_m_50"] < usual["position_m_50"] < usual["position_m_90"]
    assert usual["nees"] > 0
    known = found["knowledge"]
    assert known["gnss+imu+camera+radar"]["gain_beyond_true_db"] < known["gnss+imu"]["gain_beyond_true_db"]
    assert known["true place"]["gain_db"] > 0
    score = found["score"]["one beam"]
    assert score["gnss+imu"]["paired"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert score["gnss+imu"]["return"]["mean"] > 0


def test_the_same_seed_gives_the_same_figures(small, monkeypatch):
    monkeypatch.setattr(sensing, "SETS", ("gnss+imu",))
    first, second = (sensing.figures(True, 2, torch.device("cpu"), new_console()) for _ in range(2))
    assert first == second
