"""What a channel twin's fidelity is worth in decisions, as tables and a picture."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import COLOURS, new_figure
from twin_envs.benchmarks.report.tables import difference, load_figures, markdown_table, score_text
from twin_envs.envs.rendering.ground import QUIET

RESULT = "twins-decisions"
_WITHOUT = {"best-fixed": "the best fixed choice", "rule": "the best rule without a twin", "oracle": "oracle"}
_POLICY_COLOURS = (COLOURS["twin"], COLOURS["best-fixed"])
_MISSING = re.compile(r"has no ([\w, ]+):")


def tables() -> str:
    """By decision, what each policy earns with each twin, the most accurate first, and what the others earn."""
    return "\n\n".join(_table(name, case) for name, case in load_figures(RESULT)["cases"].items())


def _table(name: str, case: dict[str, Any]) -> str:
    policies = list(case["returns"])
    rows = [
        (
            f"`{twin}`",
            f"{found['mae_db']:.1f}",
            *(text for policy in policies for text in _earned(case, policy, twin)),
        )
        for twin, found in _by_accuracy(case).items()
    ]
    nothing = [""] * (2 * len(policies) - 1)
    rows += [(shown, "", score_text(case["without"][role]), *nothing) for role, shown in _WITHOUT.items()]
    head = ("", "MAE [dB]", *(text for policy in policies for text in (f"`{policy}`", "over `traced`")))
    return f"**{name}**\n\n{markdown_table(head, rows)}{_refused(case)}"


def _by_accuracy(case: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(case["twins"].items(), key=lambda item: float(item[1]["mae_db"])))


def _earned(case: dict[str, Any], policy: str, twin: str) -> tuple[str, str]:
    if twin not in case["returns"][policy]:
        return "refused", ""
    over = "" if twin == "traced" else difference(case["over_traced"][policy][twin])
    return f"{case['returns'][policy][twin]['mean']:.2f}", over


def _refused(case: dict[str, Any]) -> str:
    """Which twins each policy refuses, by what they lack."""
    lines = []
    for policy, reasons in case["refused"].items():
        by_reason: dict[str, list[str]] = {}
        for twin, reason in reasons.items():
            lacks = _MISSING.search(reason)
            said = f"no `{'`, `'.join(lacks[1].split(', '))}`" if lacks else reason
            by_reason.setdefault(said, []).append(f"`{twin}`")
        lines += [f"`{policy}` refuses {', '.join(twins)}: {said}." for said, twins in by_reason.items()]
    return "".join(f"\n\n{line}" for line in lines)


def picture(figures: dict[str, Any]) -> Figure:
    """Paired differences to the traced twin with their intervals, a panel for each decision, accurate twins on top.

    Args:
        figures: of the study `decisions` of `benchmarks.twins`.
    """
    cases = figures["cases"]
    most = max(len(case["twins"]) for case in cases.values())
    rows = (len(cases) + 1) // 2
    figure = new_figure(11.0, rows * (1.0 + 0.24 * most))
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, (name, case) in zip(panels, cases.items(), strict=False):
        _panel(axes, name, case)
    for axes in panels[len(cases) :]:
        axes.set_axis_off()
    figure.supxlabel("over the same policy with the traced twin [bit/s/Hz]")
    return figure


def _panel(axes: Axes, name: str, case: dict[str, Any]) -> None:
    twins = _by_accuracy(case)
    axes.axvline(0.0, color=QUIET, linewidth=1.0)
    for number, (policy, scores) in enumerate(case["over_traced"].items()):
        drawn = [(place, scores[twin]) for place, twin in enumerate(twins) if twin in scores]
        place = np.array([where for where, _ in drawn]) + 0.3 * number - 0.15
        mean, low, high = (np.array([score[end] for _, score in drawn]) for end in ("mean", "low", "high"))
        axes.errorbar(
            mean,
            place,
            xerr=np.stack([mean - low, high - mean]),
            fmt="o",
            markersize=4.5,
            capsize=2.5,
            color=_POLICY_COLOURS[number],
            label=policy,
        )
    axes.set_yticks(range(len(twins)), [f"{twin} ({found['mae_db']:.1f} dB)" for twin, found in twins.items()])
    axes.invert_yaxis()
    axes.set_title(name, pad=22)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.4)
