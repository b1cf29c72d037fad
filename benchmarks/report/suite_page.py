"""The benchmark as a page to read: `python -m benchmarks.report runs/suite-quick.json --out runs/report.html`."""

from __future__ import annotations

import json
from typing import Any

from twin_envs.benchmarks.report import markup, suite
from twin_envs.envs.rendering.ground import style


def render(document: dict[str, Any]) -> str:
    """The report as HTML that needs no other file.

    Args:
        document: what `benchmarks.suite` wrote.
    """
    figures = document["figures"]
    protocol, boards = figures["protocol"], figures["boards"]
    parts = [
        ("Ranking", _ranking(boards[suite.ALL])),
        ("What the gap costs", _gaps(figures)),
        *((title[0].upper() + title[1:], _board(board)) for title, board in boards.items() if title != suite.ALL),
        ("All tasks", _table(suite.tasks(figures), numbers_from=1)),
        ("Who failed", _failures(figures)),
        ("Where this comes from", _origin(document)),
    ]
    lead = (
        f"{protocol['description']} {len(figures['tasks'])} tasks, {protocol['episodes']} episodes each, the same ones "
        "for every policy. Constants were chosen on other episodes."
    )
    body = "\n".join(markup.section(heading, text) for heading, text in parts if text)
    return markup.document(f"Benchmark: {protocol['name']}", lead, body)


def _ranking(board: dict[str, Any]) -> str:
    text = (
        "Policies that play every task. A score of 0 is that of the best fixed choice in the same episode, and the "
        "oracle has 1 on average; IQM is the mean of the middle half of all episodes, with a 95 % interval from "
        "resampling the episodes of each task. Better: the probability of earning more in an episode. An oracle reads "
        "reality, and has no rank; nor has a policy that failed somewhere. best-rule and best-twin are in each task "
        f"the policy of their kind that did best on training episodes. {suite.without_headroom(board)}"
    )
    with style():
        drawn = markup.figure(suite.picture(board), suite.CAPTION) if board["normalised_tasks"] else ""
    return f"<p>{markup.escape(text)}</p>\n{_board(board)}{drawn}"


def _board(board: dict[str, Any]) -> str:
    return _table(suite.ranking(board), numbers_from=3)


def _gaps(figures: dict[str, Any]) -> str:
    rows = suite.gaps(figures)
    text = "How much more the best policy with the twin earns than the best fixed choice, by variant of the task."
    return f"<p>{text}</p>\n{_table(rows, numbers_from=2)}" if rows[1] else ""


def _failures(figures: dict[str, Any]) -> str:
    rows = suite.failures(figures)
    return _table(rows) if rows[1] else ""


def _origin(document: dict[str, Any]) -> str:
    head, rows = suite.setting(document)
    facts = [
        (name, value if isinstance(value, str) else json.dumps(value)) for name, value in document["provenance"].items()
    ]
    return _table((head, [*rows, *facts]))


def _table(rows: suite.Rows, numbers_from: int = 99) -> str:
    return markup.table(*rows, numbers_from=numbers_from)
