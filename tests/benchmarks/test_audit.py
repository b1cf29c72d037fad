"""What the audit says on few points; a fault in what it audits shows here, too."""

import json

import pytest
from typer.testing import CliRunner

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.audit import __main__ as audit
from twin_envs.benchmarks.audit import block_errors, estimation, resources, sensing


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
