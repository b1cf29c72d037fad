"""The white-box study: its picture and its tables say what the figures say."""

import json

import pytest

from twin_envs.benchmarks.report import tables, white_box

ARMS = ("generic", "twin", "real", "random", "missing, rehearsal")


@pytest.fixture
def study(tmp_path, monkeypatch):
    errors = {arm: [-2.0 - row, -6.25 - row] for row, arm in enumerate(ARMS)}
    spread = {arm: [0.5, 0.25] for arm in ARMS}
    study = {
        "samples": [10, 5120],
        "nmse_db": dict.fromkeys(("held_out", "seen"), errors),
        "spread_db": dict.fromkeys(("held_out", "seen"), spread),
        "equivalent_real_samples": {"seen": {"twin": [0.0, 1234.4], "missing, rehearsal": [900.0, None]}},
    }
    (tmp_path / "csi-white-box.json").write_text(json.dumps({"figures": study}))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    return study


def test_every_arm_is_a_line_at_its_errors(study):
    panels = [axes for axes in white_box.picture(study).axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == list(white_box.TITLES.values())
    for axes in panels:
        drawn = {box.get_label(): box.lines[0].get_ydata().tolist() for box in axes.containers}
        assert drawn == study["nmse_db"]["seen"]


def test_tables(study):
    table = white_box.errors("held_out").splitlines()
    assert table[0].endswith("| N = 10 | N = 5,120 |")
    assert table[2 + ARMS.index("real")] == "| real | -4.0 ± 0.5 | -8.2 ± 0.2 |"
    assert white_box.equivalents().splitlines()[2:] == [
        "| twin | fewer than 10 | 1,234 |",
        "| missing, rehearsal | 900 | more than 5,120 |",
    ]
