"""The benchmark as a page, as tables and as a picture."""

import copy
import json

import numpy as np
import pytest

from twin_envs.benchmarks.report import page, suite, suite_page, tables
from twin_envs.benchmarks.suite.standings import standings

EPISODES = np.linspace(9.0, 11.0, 8)
SEEDS = {"evaluation_seeds": [1_030_000, 1_030_007], "training_seeds": [30_000, 30_003]}


def outcome(kind, over, **further):
    returns = (EPISODES + over + 0.01 * np.cos(np.arange(8))).tolist()
    seconds = {"tuning": 1800.0, "evaluation": 0.0}
    return {"kind": kind, "returns": returns, "seconds": seconds, "commit": "0123abc", **further}


def task(env, variant, twin, oracle=2.0, held_out=False):
    """A task in which the policy with the twin earns so much more than the best fixed choice."""
    return {
        "env": env,
        "id": f"twin_envs/{env}-v1",
        "site": {"name": "<toy>", "digest": "0"},
        "variant": variant,
        "options": {"world": "twin"} if variant == "none" else {},
        "held_out": held_out,
        "gap": None if variant == "none" else {"gain_mae_db": 4.25},
        "policies": {
            "random": outcome("random", -3.0),
            "best-fixed": outcome("fixed", 0.0, training_return=10.0),
            "rule": outcome("rule", 0.5, training_return=10.5),
            "twin": outcome("twin", twin, training_return=10.0 + twin),
            "oracle": outcome("oracle", oracle),
            "my:Policy": outcome("own", 1.5)
            if variant == "none"
            else {"kind": "own", "failed": "predict raised <that>", "commit": "0123abc"},
        },
    }


@pytest.fixture(scope="module")
def document():
    played = {
        "FeedbackInterval/toy/none": task("FeedbackInterval", "none", 1.0),
        "FeedbackInterval/toy/shipped": task("FeedbackInterval", "shipped", 0.8),
        "ApSelection/toy/shipped": task("ApSelection", "shipped", -0.1, oracle=0.05, held_out=True),
    }
    protocol = {"name": "toys", "description": "<Toys>.", "seed": 3, "episodes": 8, "training_episodes": 4, **SEEDS}
    figures = {"protocol": {**protocol, "held_out": ["toy"]}, **standings(played, 0)}
    origin = {"commit": "4567def", "dirty": False, "arguments": {"protocol": "toys"}}
    return json.loads(json.dumps({"benchmark": "suite", "provenance": origin, "figures": figures}, allow_nan=False))


def test_the_ranking_has_oracles_beside_it_and_who_failed_below(document):
    _, rows = suite.ranking(document["figures"]["boards"]["all tasks"])
    places = {name: rank for rank, name, *_ in rows}
    assert [name for _, name, *_ in rows] == [
        "oracle",
        "twin",
        "best-twin",
        "rule",
        "best-rule",
        "best-fixed",
        "random",
        "my:Policy",
    ]
    assert places["oracle"] == ""
    assert places["twin"] == "1"
    assert places["my:Policy"] == "failed"
    scores = {name: score for _, name, _, score, *_ in rows}
    assert scores["best-fixed"] == "0.00 (0.00 to 0.00)"
    assert scores["twin"].startswith("0.45 (")
    assert scores["my:Policy"] == ""


def test_tasks_say_their_gap_who_is_best_and_whether_there_is_headroom(document):
    _, rows = suite.tasks(document["figures"])
    assert rows[0][0] == "FeedbackInterval/toy/none"
    assert rows[0][1] == "none"
    assert rows[1][1] == "4.2 dB"
    assert rows[0][4] == "11.00 (twin)"
    assert rows[0][6] == "20.0%"
    assert rows[2][0] == "ApSelection/toy/shipped (held out)"
    assert rows[2][6] == "too little"
    board = document["figures"]["boards"]["all tasks"]
    assert "2 of 3 tasks; too little is to be gained in ApSelection/toy/shipped" in suite.without_headroom(board)


def test_the_gap_costs_what_the_twin_earns_less(document):
    head, rows = suite.gaps(document["figures"])
    assert head == ("environment", "site", "none", "shipped")
    assert rows == [("FeedbackInterval", "<toy>", "+10.0%", "+8.0%")]


def test_lines_are_profiles_in_the_colour_of_their_kind(document):
    board = document["figures"]["boards"]["all tasks"]
    axes = suite.picture(board).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    assert set(lines) == set(board["entries"]) - {"my:Policy"}
    np.testing.assert_allclose(lines["rule"].get_ydata(), board["entries"]["rule"]["profile"])
    assert (np.diff(lines["rule"].get_ydata()) <= 0).all()
    assert lines["twin"].get_color() == lines["best-twin"].get_color()
    assert lines["twin"].get_linestyle() != lines["best-twin"].get_linestyle()


def test_the_page_needs_no_other_file_and_has_every_board(document, tmp_path):
    results, out = tmp_path / "suite-toys.json", tmp_path / "report.html"
    results.write_text(json.dumps(document))
    page.write_report(results, out)
    text = out.read_text()
    for heading in ("Ranking", "Sites held out", "Variant none", "FeedbackInterval", "All tasks", "Who failed"):
        assert f"<h2>{heading}</h2>" in text
    assert "data:image/png;base64," in text
    assert "http" not in text
    assert "predict raised &lt;that&gt;" in text
    assert "0123abc, 4567def" in text
    assert "8.0 h" in text  # 16 outcomes of half an hour


def test_without_headroom_there_is_no_picture(document):
    figures = copy.deepcopy(document["figures"])
    alone = standings({"ApSelection/toy/shipped": figures["tasks"]["ApSelection/toy/shipped"]}, 0)
    text = suite_page.render({**document, "figures": {"protocol": figures["protocol"], **alone}})
    assert "data:image/png" not in text
    assert "Normalised scores are of 0 of 1 tasks" in text


def test_the_documentation_has_the_committed_results(document, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(suite, "RESULTS", tmp_path)
    assert "No protocol has a committed result" in suite.page()
    (tmp_path / "suite-toys.json").write_text(json.dumps(document))
    text = suite.page()
    assert "## Protocol `toys`" in text
    assert "`benchmarks/results/suite-toys.json`" in text
    assert "| 1 | twin | twin | 0.45 (" in text
    assert "### Variant none" in text
