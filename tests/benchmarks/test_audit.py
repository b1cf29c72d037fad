"""What the audit says on few points; a fault in what it audits shows here, too."""

import json

import pytest
from typer.testing import CliRunner

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.audit import __main__ as audit
from twin_envs.benchmarks.audit import (
    autocorrelation,
    block_errors,
    codebook_bits,
    continuity,
    estimation,
    resources,
    sensing,
)
from twin_envs.world.store.site import load_site


def test_estimates_are_as_good_as_theory_says():
    found = estimation.figures(quick=True, seed=1)
    assert set(found) == {"-10", "0", "10", "20"}
    for at in found.values():
        for said in at.values():
            assert said["measured"] == pytest.approx(said["theory"], rel=0.03)
        assert at["lmmse"]["theory"] < at["least_squares"]["theory"]
    assert found["0"]["least_squares"]["theory"] == pytest.approx(1.0)  # noise as strong as the channel


def test_block_errors_are_sionnas():
    found = block_errors.figures(quick=True, seed=2)
    assert set(found) == {"table 1", "table 2"}
    for said in found.values():
        assert said["points"] == 1000
        assert said["same"] > 0.995  # but for SINRs on the border of two points of the tables
        assert said["mean_difference"] < 1e-3


def test_sensing_is_as_sure_as_it_says():
    found = sensing.figures(quick=True, seed=3)
    for said in found.values():
        assert said["standard_error"] < 0.1
        assert said["normalised_square"] == pytest.approx(1.0, abs=3 * said["standard_error"])
        assert said["within_1_std"] == pytest.approx(0.683, abs=0.03)
        assert said["within_2_std"] == pytest.approx(0.954, abs=0.015)


def test_codebooks_take_the_bits_that_the_clauses_count():
    found = codebook_bits.figures(quick=True, seed=0)
    assert {said["ports"] for said in found.values()} == {8, 16, 32}
    for said in found.values():
        assert said["type1"]["largest_difference"] == said["etype2"]["largest_difference"] == 0
        assert said["type1"]["bits"] != said["etype2"]["bits"]
    assert found["2 x 16, 48"]["etype2"]["bits"][0] == 2 + 2 + 7 + 6 + 12 + 2 + 4 + 7 * 2  # by hand, combination 1


def test_channels_go_on_across_borders():
    site = load_site("munich")
    for atlas in (site.reality("reality"), site.twin("twin")):
        near, far = (continuity.across_borders(site, atlas, 300, step_m, seed=6) for step_m in (1e-4, 1e-2))
        assert near["median"] > 0.9999
        assert near["below_0.9"] == 0
        assert near["largest_gain_step_db"] < 0.5
        assert far["median"] < near["median"]


def test_channels_age_as_their_paths_turn():
    found = autocorrelation.of_site(load_site("munich"), links=200, seed=8)
    for said in found.values():
        assert said["atlas"] == pytest.approx(said["reference"], abs=5e-3)
    assert found["0.05"]["atlas"] > found["0.2"]["atlas"] > found["0.5"]["atlas"]


@pytest.mark.parametrize("env", ["FeedbackInterval", "CsiProtocol", "ReportScheduling"])
def test_books_balance(env):
    found = resources.books(env, episodes=3, seed=4)
    assert set(found) == {"reward_less_terms", "reward_less_ues"}
    assert max(found.values()) < 1e-5


@pytest.mark.parametrize(
    "options", [{}, {"pilot_density": 0.5, "csi_rs_period_slots": 20, "tdd_pattern": "DDSUU", "dmrs_additional": 1}]
)
def test_resource_elements_are_those_of_the_slots(options):
    found = resources.elements(options, episodes=2, slots=200, seed=5)
    assert set(found) == {"delivered", "pilot_cost"}
    assert max(found.values()) < 1e-4


def test_a_fault_in_the_books_is_seen(monkeypatch):
    """A cell that forgets to take PDCCH and DM-RS off delivers more than a count of slots says."""
    monkeypatch.setattr(
        "twin_envs.envs.csi_cell.core.data_resource_elements",
        lambda slots, symbols, blocks, additional: symbols * blocks * 12 + 0 * additional,
    )
    found = resources.elements({}, episodes=2, slots=100, seed=5)
    assert found["delivered"] > 0.15
    assert found["pilot_cost"] < 1e-4


def test_command_writes_the_checks_that_are_asked_for(monkeypatch, tmp_path):
    app = audit.typer.Typer()
    app.command()(audit.main)
    path = tmp_path / "audit.json"
    ran = CliRunner().invoke(app, ["--quick", "--check", "estimation", "--seed", "7", "--json", str(path)])
    assert ran.exit_code == 0, ran.output
    document = json.loads(path.read_text())
    assert set(document["figures"]) == {"estimation"}
    assert document["figures"]["estimation"] == estimation.figures(quick=True, seed=7)
    refused = CliRunner().invoke(app, ["--check", "estimaton", "--json", str(path)]).exception
    assert isinstance(refused, ConfigurationError)
    assert "did you mean 'estimation'" in str(refused)
