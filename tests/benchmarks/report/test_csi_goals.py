"""The goals of CSI networks: each has its figures, and follows them."""

import copy

import pytest

from twin_envs.benchmarks.report import csi_goals
from twin_envs.benchmarks.report.tables import load_figures


def goals():
    head, _, *rows = csi_goals.table().splitlines()
    assert [each.strip() for each in head.strip("|").split("|")][:3] == ["goal", "found", "met"]
    return {wanted: (found, met, between) for wanted, found, met, between in map(cells, rows)}


def cells(row):
    return [each.strip() for each in row.strip("|").split("|")]


def test_what_is_not_met_says_what_stands_between_and_what_is_met_does_not():
    every = goals()
    assert len(every) > 20
    for found, met, between in every.values():
        assert found
        assert (met == "no") == bool(between)
    assert {met for _, met, _ in every.values()} == {"yes", "no"}


@pytest.mark.parametrize(
    ("gain", "said"), [(0.24, ("+24.0%", "no")), (0.26, ("+26.0%", "yes"))], ids=["less", "enough"]
)
def test_a_goal_is_met_when_its_figures_say_so(monkeypatch, gain, said):
    def changed(name):
        figures = copy.deepcopy(load_figures(name))
        if name == "csi-prediction":
            next(iter(figures["cell"].values()))["best"]["gain"] = gain
        return figures

    monkeypatch.setattr(csi_goals, "load_figures", changed)
    found, met, _ = goals()["a cell whose acquisition has a twin carries 25% more"]
    assert (found.partition(":")[0], met) == said
