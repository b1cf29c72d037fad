"""The tables about policies that have learnt."""

import json

import pytest

from twin_envs.benchmarks.report import learning as tables

CARD = {
    "algorithm": "dagger",
    "steps": 10_240,
    "hyperparameters": {"teacher": "doppler: 0.19913943759747124"},
    "begun_from": None,
}
THEN_PPO = {"algorithm": "ppo", "steps": 61_440, "hyperparameters": {}, "begun_from": CARD}


def result(card, over_planner, over_rule, speedup):
    shares = [dict(zip(("low", "mean", "high"), share)) for share in (over_planner, over_rule)]
    return {
        "rule": "doppler, 0.05",
        "planner": "twin: plain",
        "episodes": 12,
        "policies": {name: {"mean": 12.0, "low": 11.0, "high": 13.0} for name in ("rule", "planner", "mine")},
        "over_planner": {"mine": shares[0]},
        "over_rule": {"mine": shares[1]},
        "ms_per_decision": {"rule": 0.01, "planner": 1.0, "mine": 1.0 / speedup},
        "speedup": {"mine": speedup},
        "trained": {"mine": card},
    }


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Writes results; headroom is that of each environment's comparison, if there is one."""
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "load_document", lambda name: json.loads((tmp_path / f"{name}.json").read_text()))
    monkeypatch.setattr(tables, "trained_names", lambda: ["Other", "Roomy", "Tight"])
    rooms = {"Roomy": 0.3, "Tight": 0.01}
    monkeypatch.setattr(tables, "result_names", lambda: list(rooms))
    monkeypatch.setattr(tables, "load_result", lambda env: (env, {"headroom": rooms[env]}, {}))

    def write(name, env, figures, policy):
        document = {"provenance": {"arguments": {"policy": policy}}, "figures": {env: figures}}
        (tmp_path / f"learning-{name}.json").write_text(json.dumps(document))

    write("Roomy", "Roomy", result(CARD, (-0.02, 0.0, 0.02), (0.01, 0.02, 0.03), 99.0), ["learned"])
    write("Tight", "Tight", result(THEN_PPO, (-0.009, 0.0, 0.02), (-0.01, 0.0, 0.01), 250.0), ["learned"])
    write("Gone", "Gone", result(CARD, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0), ["learned"])
    write("first", "Roomy", result(CARD, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0), ["runs/dagger"])
    return write


def test_goals_are_met_by_the_ends_of_the_intervals_and_told_of_what_ships_alone(results):
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in tables.goals().splitlines()[2:]]
    assert rows == [
        ["`Roomy`", "DAgger, taught by doppler: 0.2", "30.0%", "no", "yes", "no (99)"],
        ["`Tight`", "DAgger, taught by doppler: 0.2, then PPO", "1.0%", "yes", "no (not asked)", "yes (250)"],
    ]


def test_where_the_headroom_is_unknown_the_rule_is_to_be_beaten(results):
    results("Other", "Other", result(CARD, (0.0, 0.1, 0.2), (-0.1, 0.1, 0.2), 100.0), ["learned"])
    line = next(line for line in tables.goals().splitlines() if "Other" in line)
    assert [cell.strip() for cell in line.strip("| ").split("|")][2:] == ["", "yes", "no", "yes (100)"]


def test_the_table_has_a_line_for_each_policy_of_each_result(results):
    lines = tables.learning().splitlines()[2:]
    assert len(lines) == 4 * 3
    assert any("tuned rule: doppler, 0.05" in line and "12.00 (11.00 to 13.00)" in line for line in lines)
    assert any("then PPO" in line and "61,440" in line and "+0.0% (-0.9% to +2.0%)" in line for line in lines)
