"""What has learnt in the twin, beside the planner and the rule: tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from twin_envs.agents.learning.shipped import NAME, trained_names
from twin_envs.benchmarks.ablation import TWIN
from twin_envs.benchmarks.report.tables import (
    RESULTS,
    difference,
    load_document,
    load_result,
    markdown_table,
    result_names,
    score_text,
)

_PREFIX = "learning-"
LEAST_OVER_PLANNER = -0.01
"""Who has learnt reaches the planner where the interval of its lead, as a share, is above this."""
LEAST_HEADROOM = 0.05
"""The tuned rule is to be beaten where the oracle's lead over the best fixed choice is this share or more."""
LEAST_SPEEDUP = 100.0
"""So many times less time than the planner a decision is to take."""
_DECIMALS = re.compile(r"\d+\.\d{3,}")
"""Constants with more decimals than anybody reads."""
Figures = Mapping[str, Any]


def learning() -> str:
    """A line for each policy of each environment that was compared."""
    rows = []
    for env, result in _results():
        rule = _DECIMALS.sub(lambda found: f"{float(found[0]):.2g}", result["rule"])
        named = {"rule": f"tuned rule: {rule}", "planner": f"planner: {result['planner']}"}
        for name, score in result["policies"].items():
            card = result["trained"].get(name)
            over = [_percent(result[f"over_{rival}"].get(name)) for rival in ("planner", "rule")]
            seed = name.partition(",")[2]  # where it alone tells learners apart
            who, told = (_learner(card) + f",{seed}" * bool(seed), f"{card['steps']:,}") if card else (named[name], "")
            ms = result["ms_per_decision"][name]
            rows.append((f"`{env}`", who, told, f"{result['episodes']}", score_text(score), *over, f"{ms:.2g}"))
    head = ("environment", "policy", "decisions", "episodes", "bit/s/Hz", "over the planner", "over the rule", "ms")
    return markdown_table(head, rows)


def goals() -> str:
    """A line for each policy that comes with the package: which goals it meets."""
    rows = []
    for env, result in _results(shipped=True):
        room = _headroom(env)
        for name in result["trained"]:
            planner, rule = (result[f"over_{rival}"][name] for rival in ("planner", "rule"))
            beats = "yes" if rule["low"] > 0 else "no"
            asked = beats if room is None or room >= LEAST_HEADROOM else f"{beats} (not asked)"
            rows.append(
                (
                    f"`{env}`",
                    _learner(result["trained"][name]),
                    "" if room is None else f"{room:.1%}",
                    "yes" if planner["low"] > LEAST_OVER_PLANNER else "no",
                    asked,
                    f"{'yes' if result['speedup'][name] >= LEAST_SPEEDUP else 'no'} ({result['speedup'][name]:,.0f})",
                )
            )
    head = ("environment", "policy", "headroom", "reaches the planner", "beats the tuned rule", "times quicker")
    return markdown_table(head, rows)


def _results(*, shipped: bool = False) -> Iterator[tuple[str, Figures]]:
    """Environment and figures of each comparison; or only of those of policies that come with the package."""
    for path in sorted(RESULTS.glob(f"{_PREFIX}*.json")):
        document = load_document(path.stem)
        of_ours = document["provenance"]["arguments"]["policy"] == [NAME]
        for env, result in document["figures"].items():
            if not shipped or (of_ours and env in trained_names()):
                yield env, result


def _headroom(env: str) -> float | None:
    """The oracle's lead over the best fixed choice, as a share; None where that was not measured."""
    if env not in result_names():
        return None
    room: float | None = load_result(env)[1]["headroom"]
    return room


def _learner(card: Figures) -> str:
    """Whom it learnt from, and how."""
    first = card["begun_from"] or card
    taught = _DECIMALS.sub(lambda found: f"{float(found[0]):.2g}", first["hyperparameters"].get("teacher", ""))
    if card["algorithm"] == "dagger":
        return f"DAgger, taught by {taught}"
    if card["begun_from"]:
        return f"DAgger, taught by {taught}, then {card['algorithm'].upper()}"
    return f"{card['algorithm'].upper()}"


def _percent(share: Mapping[str, float] | None) -> str:
    """A share with its interval, in per cent."""
    return "" if share is None else f"{share['mean']:+.1%} ({share['low']:+.1%} to {share['high']:+.1%})"


def ablations(shown: int = 6) -> str:
    """A line for each environment: what the twin and the quantities that matter most are worth to its learner."""
    rows = []
    for name in sorted(path.stem for path in RESULTS.glob("ablation-*.json")):
        for env, told in load_document(name)["figures"].items():
            worth = dict(told["worth"])
            twin = worth.pop(TWIN, None)
            most = [f"`{quantity}` {score['mean']:+.2f}" for quantity, score in list(worth.items())[:shown]]
            share = "" if twin is None else difference(twin)
            rows.append((f"`{env}`", score_text(told["intact"]), share, ", ".join(most)))
    return markdown_table(("environment", "bit/s/Hz", "all of the twin", "what matters most"), rows)
