"""What twins are worth in decisions: the tables and the picture."""

import json

import numpy as np
import pytest

from twin_envs.benchmarks.report import tables, twin_decisions


def score(mean, half=0.2):
    return {"mean": mean, "low": mean - half, "high": mean + half}


REASON = "channel_twin Law has no links: the policy TwinPlanner needs GivesLinks (twin_envs.twin.protocol); choose"


@pytest.fixture
def told(tmp_path, monkeypatch):
    case = {
        "env": "ApAssociation",
        "twins": {"traced": {"mae_db": 4.0}, "path-loss": {"mae_db": 9.0}, "semantic": {"mae_db": 3.0}},
        "without": {"best-fixed": score(5.0), "rule": score(7.0), "oracle": score(9.0)},
        "returns": {
            "twin-planner": {"traced": score(8.0)},
            "twin-fused": {"traced": score(7.5), "path-loss": score(7.0), "semantic": score(7.6)},
        },
        "over_traced": {
            "twin-planner": {"traced": score(0.0, 0.0)},
            "twin-fused": {"traced": score(0.0, 0.0), "path-loss": score(-0.5), "semantic": score(0.1)},
        },
        "refused": {"twin-planner": {"path-loss": REASON, "semantic": REASON}, "twin-fused": {}},
    }
    figures = {"episodes": 6, "cases": {"ApAssociation": case}}
    document = {"benchmark": "twins", "provenance": {}, "figures": figures}
    (tmp_path / f"{twin_decisions.RESULT}.json").write_text(json.dumps(document))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    return figures


def test_the_table_has_accurate_twins_first_and_names_who_is_refused(told):
    lines = twin_decisions.tables().splitlines()
    assert lines[0] == "**ApAssociation**"
    assert lines[2] == "|  | MAE [dB] | `twin-planner` | over `traced` | `twin-fused` | over `traced` |"
    assert lines[4:7] == [
        "| `semantic` | 3.0 | refused |  | 7.60 | +0.10 (-0.10 to +0.30) |",
        "| `traced` | 4.0 | 8.00 |  | 7.50 |  |",
        "| `path-loss` | 9.0 | refused |  | 7.00 | -0.50 (-0.70 to -0.30) |",
    ]
    assert lines[9] == "| oracle |  | 9.00 (8.80 to 9.20) |  |  |  |"
    assert lines[-1] == "`twin-planner` refuses `path-loss`, `semantic`: no `links`."


def test_the_picture_has_a_row_for_each_twin_and_an_interval_for_each_difference(told):
    (axes,) = (axes for axes in twin_decisions.picture(told).axes if axes.get_title())
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "semantic (3.0 dB)",
        "traced (4.0 dB)",
        "path-loss (9.0 dB)",
    ]
    assert axes.yaxis_inverted()
    planner, fused = axes.containers
    assert planner.get_label() == "twin-planner"
    np.testing.assert_allclose(planner.lines[0].get_xdata(), [0.0])
    np.testing.assert_allclose(fused.lines[0].get_xdata(), [0.1, 0.0, -0.5])
    np.testing.assert_allclose(np.diff(fused.lines[0].get_ydata()), 1.0)
