"""The study of less: its picture and its tables say what the figures say."""

import json

import pytest

from twin_envs.benchmarks.report import tables, white_box_data

ARMS = ("uniform", "walkable", "hot spots", "fixes of 30", "other hot spots")
STREETS = ("held_out", "seen")


@pytest.fixture
def study(tmp_path, monkeypatch):
    errors = {arm: [-10.0 - row, -12.25 - row] for row, arm in enumerate(ARMS)}
    by_users = {users: dict.fromkeys(STREETS, errors) for users in ("uniform", "walkable", "hot spots")}
    spread, little = {arm: [0.5, 0.25] for arm in ARMS}, [0.1, 0.2]
    spreads = {users: dict.fromkeys(STREETS, spread) for users in by_users}
    by_how = {how: [-3.0, -7.0] for how in ("none", "phases", "shifts")}
    spread_by_how = dict.fromkeys(by_how, little)
    study = {
        "positions": {
            "real": [0, 640],
            "nmse_db": by_users,
            "spread_db": spreads,
            "overlap": {arm: 0.1 * row for row, arm in enumerate(ARMS)},
            "fixes": {"fixes of 30": 28.0},
        },
        "paths": {
            "paths": ["1", "all"],
            "power": [0.75, 1.0],
            "nmse_db": {"seen": [-8.0, -14.0], "held_out": [-6.0, -9.0]},
            "spread_db": dict.fromkeys(STREETS, little),
        },
        "places": {
            "places": [40, 640],
            "nmse_db": dict.fromkeys(STREETS, by_how),
            "spread_db": dict.fromkeys(STREETS, spread_by_how),
        },
    }
    (tmp_path / "csi-white-box-data.json").write_text(json.dumps({"figures": study}))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    return study


def test_every_arm_is_a_line_at_its_errors(study):
    positions, paths, places = white_box_data.picture(study).axes
    drawn = {box.get_label(): box.lines[0].get_ydata().tolist() for box in positions.containers}
    assert list(drawn) == [
        "anywhere in the open",
        "walking routes",
        "as users are",
        "GNSS fixes of 30 UEs",
        "hot spots elsewhere",
    ]
    assert list(drawn.values()) == list(study["positions"]["nmse_db"]["hot spots"]["seen"].values())
    assert [tick.get_text() for tick in positions.get_xticklabels()] == ["0", "640"]
    assert [box.lines[0].get_ydata().tolist() for box in paths.containers] == [[-8.0, -14.0], [-6.0, -9.0]]
    assert len(places.containers) == 3


def test_tables(study):
    positions = white_box_data.positions().splitlines()
    assert positions[0].startswith("| positions in the twin | in common with users | hot spots | hot spots, 640 real")
    assert positions[2 + ARMS.index("fixes of 30")].startswith(
        "| GNSS fixes of 30 UEs | 0.30 | -13.0 ± 0.5 | -15.2 ± 0.2 |"
    )
    assert white_box_data.paths().splitlines()[2:4] == [
        "| share of power | 0.750 | 1.000 |",
        "| streets of the samples | -8.0 ± 0.1 | -14.0 ± 0.2 |",
    ]
    assert "| new phases | streets of the samples | -3.0 ± 0.1 | -7.0 ± 0.2 |" in white_box_data.places()
