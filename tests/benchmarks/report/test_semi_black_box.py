"""The study of codecs written from maps: its picture and its tables say what the figures say."""

import json

import pytest

from twin_envs.benchmarks.report import semi_black_box, tables

ARMS = ("scene-agnostic", "hypernetwork", "hypernetwork, shuffled", "online, 16", "per scene")


@pytest.fixture
def study(tmp_path, monkeypatch):
    gains = {arm: 0.5 * row for row, arm in enumerate(ARMS)}
    worlds = ("twin", "reality")
    study = {
        "nmse_db": {world: {arm: -3.0 - gain for arm, gain in gains.items()} for world in worlds},
        "gain_db": dict.fromkeys(worlds, gains),
        "better_share": {world: dict.fromkeys(ARMS, 0.75) for world in worlds},
        "parameters": {"codec": 1234, "black box": 5_000_000},
    }
    (tmp_path / "csi-semi-black-box.json").write_text(json.dumps({"figures": study}))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    return study


def test_every_arm_is_a_bar_of_its_gain(study):
    for axes, world in zip(semi_black_box.picture(study).axes, semi_black_box.WORLDS):
        assert [bar.get_width() for bar in axes.patches] == list(study["gain_db"][world].values())


def test_tables(study):
    table = semi_black_box.errors().splitlines()
    assert table[2] == "| scene-agnostic | -3.0 | +0.0 | 75% | -3.0 | +0.0 | 75% |"
    assert table[3] == "| hypernetwork | -3.5 | +0.5 | 75% | -3.5 | +0.5 | 75% |"
    assert semi_black_box.sizes().splitlines()[2:] == ["| codec | 1,234 |", "| black box | 5,000,000 |"]
