"""Each decision against its budget: the picture and the table."""

import json

import numpy as np
import pytest

from twin_envs.benchmarks import budget
from twin_envs.benchmarks.report import budgets, tables


def score(mean, half=0.2):
    return {"mean": mean, "low": mean - half, "high": mean + half}


def point(fixed, twin, rule, oracle):
    means = {"random": 1.0, "best-fixed": fixed, "twin": twin, "doppler": rule, "oracle": oracle}
    return {
        "policies": {name: score(mean) for name, mean in means.items()},
        "headroom": oracle / fixed - 1,
        "best_twin": "twin",
        "reference": "doppler",
        "twin_margins": {"best-fixed": score(twin - fixed, 0.1), "doppler": score(twin - rule, 0.1)},
    }


@pytest.fixture
def told():
    points = [point(5.0, 5.5, 5.25, 6.0), point(10.0, 10.5, 9.5, 11.0)]
    common = {"episodes": 6, "options": {}, "points": points}
    return {
        "FeedbackInterval": {"option": "csi_uplink_share", "values": [0.01, 1.0], **common},
        "ApSelection": {"option": "ap_load", "values": [2, 8], **common},
        "BeamSelection": {"option": "cycle_slots", "values": [2_560, 40_960], **common},
    }


def test_lines_are_what_is_earned_over_the_best_fixed_choice(told):
    panels = [axes for axes in budgets.picture(told).axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == list(told)
    lines = {line.get_color(): line for line in panels[0].get_lines() if len(line.get_xdata()) == 2}
    np.testing.assert_allclose(lines[budgets.COLOURS["twin"]].get_ydata(), [0.1, 0.05])
    np.testing.assert_allclose(lines[budgets.COLOURS["reference"]].get_ydata(), [0.05, -0.05])
    np.testing.assert_allclose(lines[budgets.COLOURS["oracle"]].get_ydata(), [0.2, 0.1])
    assert {text.get_text() for text in panels[0].texts} == {"twin", "doppler", "oracle"}
    interval = panels[0].collections[0].get_paths()[0].vertices
    assert interval[:, 1].min() == pytest.approx(0.04)  # 0.5 - 0.1 of 10
    assert interval[:, 1].max() == pytest.approx(0.12)  # 0.5 + 0.1 of 5


def test_every_budget_has_a_name_for_its_axis():
    assert {option for option, _ in budget.BUDGETS.values()} == {*budgets.BUDGETS}


def test_the_committed_budgets_are_told_in_a_table(told, tmp_path, monkeypatch):
    for env, budget_of in told.items():
        (tmp_path / f"budget-{env}.json").write_text(json.dumps({"figures": {env: budget_of}}))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    rows = tables.budgets().splitlines()[2:]
    assert len(rows) == 6
    text = "`FeedbackInterval` | `csi_uplink_share` 1% | 5.00 | 5.25 | 5.50 | 6.00 | 20.0% | +0.50 (+0.40 to +0.60)"
    assert f"| {text} |" in rows
    assert any("`cycle_slots` 40,960" in row for row in rows)
