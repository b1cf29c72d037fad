"""The study of scenarios: what is lost is counted right, and what is committed says what the guide does."""

import json

import numpy as np
import pytest
import torch

from twin_envs.benchmarks.report import scenarios as report
from twin_envs.benchmarks.report.tables import RESULTS, load_figures
from twin_envs.benchmarks.twins.scenarios import PERCENTS, _lost_db
from twin_envs.envs.core.scenario import scenario_names


def test_what_a_choice_loses_is_told_in_decibels_and_what_is_not_heard_has_the_least_gain():
    gain = torch.tensor([[1e-8, 1e-9, 1e-9, 0.0], [1e-9, 1e-9, 1e-7, 1e-10]])
    lost = _lost_db(gain, torch.tensor([0, 0, 0, 0]))
    assert lost.tolist() == pytest.approx([0.0, 0.0, 20.0, 0.0], abs=1e-4)
    assert _lost_db(gain, torch.tensor([1, 1, 1, 1])).tolist() == pytest.approx([10.0, 0.0, 0.0, 0.0], abs=1e-4)


def test_uavs_are_served_badly_by_the_nearest_and_people_in_the_street_are_not():
    document = json.loads((RESULTS / "twins-scenarios.json").read_text(encoding="utf-8"))
    assert not document["provenance"]["dirty"]
    places = document["figures"]["places"]
    street, uav = places["street"], places["uav"]
    assert (street["ue_height_m"], uav["ue_height_m"]) == (1.5, 80.0)
    assert uav["nearest_is_best"] < 0.25 < 0.5 < street["nearest_is_best"]
    assert uav["mean_lost_db"]["nearest"] > 5.0
    assert uav["elevation_deg"]["nearest"] > 60.0 > uav["elevation_deg"]["best"]
    assert uav["over_nearest"]["strongest"]["low"] > 0
    for place in places.values():
        for lost in place["lost_db"].values():
            assert len(lost) == len(PERCENTS)
            assert lost == sorted(lost)


def test_tables_and_the_picture_have_every_scenario_place_and_policy():
    figures = load_figures("twins-scenarios")
    for name in scenario_names():
        assert f"`{name}`" in report.described()
        assert f"`{name}`" in report.expanded()
    options = report.expanded()
    assert "15 dB/km" in options
    assert "each of 8 elements" in options
    assert all(place in report.places() for place in report.PLACES.values())
    for policy in figures["places"]["uav"]["returns"]:
        assert f"`{policy}`" in report.returns()
    losses, *bars = report.picture(figures).axes
    assert len(losses.lines) == 4
    earned = [bar.get_height() for bar in bars[1].patches]
    assert earned == pytest.approx([score["mean"] for score in figures["places"]["uav"]["returns"].values()])
    assert np.isfinite(earned).all()
