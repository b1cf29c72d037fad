"""The benchmark as tables and a picture: from `benchmarks/results/suite-*.json`, or from a result of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from twin_envs.benchmarks.report.drawing import COLOURS, figure_uri, new_figure
from twin_envs.benchmarks.report.tables import RESULTS, load_document, markdown_table
from twin_envs.envs.rendering.ground import QUIET

BENCHMARK = "suite"
ALL = "all tasks"
"""Title of the board over all tasks."""
CAPTION = (
    "Performance profiles: the share of episodes, a task counting like any other, in which a policy scores more than "
    "the value below. 0 is what the best fixed choice earns in the same episode; the oracle earns 1 on average."
)
_PREFIX = f"{BENCHMARK}-"
_KINDS = {
    "random": COLOURS["random"],
    "fixed": COLOURS["best-fixed"],
    "rule": COLOURS["reference"],
    "twin": COLOURS["twin"],
    "learned": COLOURS["trained"],
    "own": COLOURS["own"],
    "oracle": COLOURS["oracle"],
}
"""The colour of each kind of policy."""
_DASHES = ("-", "--", ":", "-.")
"""Of policies of one kind."""
Figures = Mapping[str, Any]
Lines = list[tuple[str, ...]]
Rows = tuple[tuple[str, ...], Lines]
"""The headings of a table, and its rows."""


def is_suite(document: Any) -> bool:
    """Whether a document is a result of `benchmarks.suite`."""
    return isinstance(document, dict) and document.get("benchmark") == BENCHMARK


def picture(board: Figures) -> Figure:
    """Performance profiles of all entries that did not fail, where there are normalised scores."""
    figure = new_figure(8.2, 3.9)
    axes = figure.subplots()
    axes.axvline(0.0, color=QUIET, linewidth=1.0)
    drawn: dict[str, int] = {}
    for name, entry in board["entries"].items():
        if "profile" in entry:
            kind = entry["kind"]
            dash = _DASHES[drawn.setdefault(kind, 0) % len(_DASHES)]
            drawn[kind] += 1
            axes.plot(board["thresholds"], entry["profile"], color=_KINDS[kind], linestyle=dash, label=name)
    axes.set(xlabel="normalised score", ylabel="episodes above", ylim=(0.0, 1.0))
    axes.set_xlim(board["thresholds"][0], board["thresholds"][-1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.4)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def ranking(board: Figures) -> Rows:
    """Everybody who plays all tasks of a board, the best first; oracles beside the ranks, and who failed last."""
    head = ("rank", "policy", "kind", "normalised score, IQM", "better than the best fixed choice", "mean [bit/s/Hz]")
    rows = []
    for name, entry in board["entries"].items():
        score, better = entry.get("normalised"), entry.get("improvement", {}).get("best-fixed")
        rank = "failed" if entry["failed"] else str(entry["rank"] or "")
        shown = [
            _with_ends(score["iqm"], score, "{:.2f}") if score else "",
            _with_ends(better["probability"], better, "{:.0%}") if better else "",
            f"{entry['mean']:.2f}" if "mean" in entry else "",
        ]
        rows.append((rank, name, entry["kind"], *shown))
    return head, rows


def _with_ends(value: float, ends: Mapping[str, float], form: str) -> str:
    low, high = form.format(ends["low"]), form.format(ends["high"])
    return f"{form.format(value)} ({low} to {high})"


def tasks(figures: Figures) -> Rows:
    """What each task is, and what is earned there: means [bit/s/Hz], and by how much the oracle beats the best fixed
    choice."""
    head = ("task", "gap: gain MAE", "best fixed", "best rule", "best with the twin", "oracle", "headroom")
    rows = []
    for name, task in figures["tasks"].items():
        scores, room = task["scores"], task["headroom"]
        best = [_named(task, task["best"][kind]) for kind in ("rule", "twin")]
        means = [f"{scores[of]['mean']:.2f}" if of in scores else "" for of in ("best-fixed", "oracle")]
        share = f"{room['mean'] / scores['best-fixed']['mean']:.1%}" if room else "too little"
        in_twin = task["options"].get("world", "reality") != "reality"
        gap = f"{task['gap']['gain_mae_db']:.1f} dB" if task["gap"] else "none" if in_twin else "of several twins"
        held_out = " (held out)" if task["held_out"] else ""
        rows.append((f"{name}{held_out}", gap, means[0], *best, means[1], share))
    return head, rows


def _named(task: Figures, policy: str | None) -> str:
    return f"{task['scores'][policy]['mean']:.2f} ({policy})" if policy else ""


def gaps(figures: Figures) -> Rows:
    """By how much the best policy with the twin beats the best fixed choice on average, where tasks differ in their
    worlds alone."""
    variants = list(dict.fromkeys(task["variant"] for task in figures["tasks"].values()))
    places: dict[tuple[str, str, str], dict[str, str]] = {}
    for task in figures["tasks"].values():
        twin, scores = task["best"]["twin"], task["scores"]
        if twin and "best-fixed" in scores:
            gain = scores[twin]["mean"] / scores["best-fixed"]["mean"] - 1.0
            others = {name: value for name, value in task["options"].items() if name not in ("world", "twin")}
            place = task["env"], task["site"]["name"], json.dumps(others, sort_keys=True)
            places.setdefault(place, {})[task["variant"]] = f"{gain:+.1%}"
    several = {place: told for place, told in places.items() if len(told) > 1}
    shown = [variant for variant in variants if any(variant in told for told in several.values())]
    rows: Lines = [(*place[:2], *(told.get(variant, "") for variant in shown)) for place, told in several.items()]
    return ("environment", "site", *shown), rows


def failures(figures: Figures) -> Rows:
    """Who failed where, and why."""
    rows: Lines = [
        (policy, name, outcome["failed"])
        for name, task in figures["tasks"].items()
        for policy, outcome in task["policies"].items()
        if "failed" in outcome
    ]
    return ("policy", "task", "why it failed"), rows


def without_headroom(board: Figures) -> str:
    """A sentence about the tasks of a board that have no normalised scores."""
    left = [name for name in board["tasks"] if name not in board["normalised_tasks"]]
    return (
        f"Normalised scores are of {len(board['normalised_tasks'])} of {len(board['tasks'])} tasks"
        + (f"; too little is to be gained in {', '.join(left)}" if left else "")
        + "."
    )


def setting(document: Figures) -> Rows:
    """How a result was made."""
    protocol, origin = document["figures"]["protocol"], document["provenance"]
    commits = {
        str(outcome["commit"])
        for task in document["figures"]["tasks"].values()
        for outcome in task["policies"].values()
    }
    rows: Lines = [
        ("protocol", f"{protocol['name']}: {protocol['description']}"),
        ("episodes of each task", f"{protocol['episodes']}, with the seeds {_ends(protocol['evaluation_seeds'])}"),
        ("chosen on", f"{protocol['training_episodes']} episodes, with the seeds {_ends(protocol['training_seeds'])}"),
        ("held out", ", ".join(protocol["held_out"]) or "no site"),
        ("time of a core", f"{seconds(document['figures']) / 3600:.1f} h"),
        ("commit", ", ".join(sorted(commits | {str(origin["commit"])}))),
    ]
    return ("", ""), rows


def _ends(seeds: list[int]) -> str:
    return f"{seeds[0]} to {seeds[1]}"


def seconds(figures: Figures) -> float:
    """Time of the processor that all policies took together."""
    return sum(
        sum(outcome["seconds"].values())
        for task in figures["tasks"].values()
        for outcome in task["policies"].values()
        if "seconds" in outcome
    )


def page() -> str:
    """All committed results of the benchmark as Markdown, a section for each protocol."""
    names = sorted(path.stem for path in RESULTS.glob(f"{_PREFIX}*.json"))
    return "\n\n".join(_section(name) for name in names) or "No protocol has a committed result in this version."


def _section(name: str) -> str:
    document = load_document(name)
    figures = document["figures"]
    board = figures["boards"][ALL]
    parts = [
        f"## Protocol `{figures['protocol']['name']}`",
        _markdown((("", ""), [*setting(document)[1], ("file", f"`benchmarks/results/{name}.json`")])),
        "### Ranking over all tasks",
        _markdown(ranking(board)),
        without_headroom(board),
        f"![{CAPTION}]({figure_uri(picture(board))})\n\n{CAPTION}",
    ]
    if gaps(figures)[1]:
        parts += ["### What the gap costs", _markdown(gaps(figures))]
    for title, other in figures["boards"].items():
        if title != ALL:
            parts += [f"### {title[0].upper()}{title[1:]}", _markdown(ranking(other))]
    parts += ["### Tasks", _markdown(tasks(figures))]
    if failures(figures)[1]:
        parts += ["### Failed", _markdown(failures(figures))]
    return "\n\n".join(parts)


def _markdown(rows: Rows) -> str:
    return markdown_table(*rows)
