"""Each decision against its budget, a picture: `python -m benchmarks.report.budgets --out docs/assets/budget.png`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

from twin_envs.benchmarks.report.drawing import COLOURS, label_ends, new_figure
from twin_envs.envs.rendering.ground import QUIET

BUDGETS = {
    "csi_uplink_share": "share of the uplink for CSI",
    "ap_load": "UEs that an AP serves",
    "cycle_slots": "time between bursts of data [slots]",
    "latency_scale": "time that twins take, of what was measured",
}
"""What each option is that is a budget."""
_COLUMNS = 2


def picture(budgets: dict[str, dict[str, Any]]) -> Figure:
    """What twin, rule of reference and oracle earn over the best fixed choice, a panel for each environment.

    The twin's is drawn with the interval of the paired difference.

    Args:
        budgets: as `benchmarks.budget` writes them, by environment.
    """
    columns = min(_COLUMNS, len(budgets))
    rows = math.ceil(len(budgets) / columns)
    figure = new_figure(5.2 * columns, 3.1 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (env, budget) in zip(panels, budgets.items(), strict=False):
        _panel(axes, env, budget)
    for axes in panels[len(budgets) :]:
        axes.set_axis_off()
    figure.supylabel("over the best fixed choice")
    return figure


def _panel(axes: Axes, env: str, budget: dict[str, Any]) -> None:
    values, points = budget["values"], budget["points"]
    fixed = np.array([point["policies"]["best-fixed"]["mean"] for point in points])
    reference = points[0]["reference"]
    lines = {"oracle": ("oracle", "oracle"), "reference": (reference, reference)}
    drawn = {
        role: (label, np.array([point["policies"][name]["mean"] for point in points]) / fixed - 1)
        for role, (label, name) in lines.items()
        if name in points[0]["policies"] and name != "best-fixed"
    }
    margins = [point["twin_margins"]["best-fixed"] for point in points]
    mean, low, high = (np.array([margin[end] for margin in margins]) / fixed for end in ("mean", "low", "high"))
    drawn["twin"] = ("twin", mean)
    axes.axhline(0.0, color=QUIET, linewidth=1.0)
    axes.fill_between(values, low, high, color=COLOURS["twin"], alpha=0.15, linewidth=0)
    for role, (_, gain) in drawn.items():
        axes.plot(values, gain, color=COLOURS[role], marker="o", markersize=4.5)
    axes.set_xscale("log")
    axes.xaxis.set(major_locator=FixedLocator(values), minor_locator=NullLocator())
    share = max(values) <= 1
    axes.xaxis.set_major_formatter(PercentFormatter(1.0) if share else StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set(xlabel=BUDGETS[budget["option"]], title=env)
    axes.margins(x=0.05)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.4)
    label_ends(axes, [(values[-1], float(gain[-1]), label, COLOURS[role]) for role, (label, gain) in drawn.items()])
