"""Pictures of the figures that `benchmarks.decisions` writes. Every function takes plain data and returns a figure.

`colours` is what `drawing.colours` gives: the colour of each policy that has one, by its name.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

from twin_envs.agents.core.policies import Array
from twin_envs.benchmarks.report.drawing import COLOURS, OTHER, SEQUENCE, label_ends, new_figure
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.rendering.ground import INK, QUIET

SPEED_EDGES_M_S = (0.0, 0.5, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0, 12.5, 20.0)
"""Sensed speeds at which chosen periods are put together."""
LEAST_DECISIONS = 10
"""Bins with fewer decisions are not drawn."""
_SPEED_TICKS = (0, 1, 2, 5, 10, 15)
_SGCS_TICKS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_TOLD = ("nmse_db", "rate")
_CODEC_LINES = {
    "csinet": ("#8a8f98", "-"),
    "csinet-plus": ("#8a8f98", "--"),
    "transformer": ("#8a8f98", ":"),
    "klt": ("#cc79a7", "-"),
    "klt-twin": ("#e69f00", "-"),
    "klt-twin, 4 m": ("#e69f00", "--"),
    "klt-twin, wrong place": ("#e69f00", ":"),
    "type1": ("#009e73", ":"),
    "etype2": ("#009e73", "-"),
    "etype2-copolar": ("#009e73", "--"),
    "path": ("#d55e00", "-"),
    "path-twin": ("#0072b2", "-"),
    "path-twin, 4 m": ("#0072b2", "--"),
    "path-twin, wrong place": ("#0072b2", ":"),
    "path-net": ("#56b4e9", "-"),
    "path-net-twin": ("#332288", "-"),
    "path-net-twin, 4 m": ("#332288", "--"),
    "path-net-twin, wrong place": ("#332288", ":"),
}
"""Colour and style of codecs by name: one colour for each family."""
_PREDICTOR_COLOURS = {
    "hold": "#8a8f98",
    "hold-aged": "#009e73",
    "wiener": "#e69f00",
    "paths-net": "#cc79a7",
    "twin-paths": "#56b4e9",
    "twin-net": "#0072b2",
}
_NUMBERED = 20
"""Shares of up to so many actions are written into the picture."""


def scores(policies: dict[str, dict[str, float]], colours: dict[str, str]) -> Figure:
    """Mean return of each policy with its interval, as horizontal bars, the best on top."""
    names = sorted(policies, key=lambda name: policies[name]["mean"])
    mean = np.array([policies[name]["mean"] for name in names])
    low, high = (np.array([policies[name][end] for name in names]) for end in ("low", "high"))
    figure = new_figure(8.2, 0.6 + 0.3 * len(names))
    axes = figure.add_subplot()
    axes.barh(names, mean, height=0.72, color=[colours.get(name, OTHER) for name in names])
    axes.errorbar(mean, names, xerr=[mean - low, high - mean], fmt="none", ecolor=QUIET, elinewidth=1.4, capsize=2.5)
    for row, value in enumerate(mean):
        axes.text(1.03 * high.max(), row, f"{value:.2f}", va="center", fontsize=8.5)
    if "oracle" in policies:
        axes.axvline(policies["oracle"]["mean"], color=colours["oracle"], linestyle=(0, (2, 2)), linewidth=1.0)
    axes.set(xlabel="net spectral efficiency [bit/s/Hz]", xlim=(min(0.0, low.min()), 1.1 * high.max()))
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in colours else "normal")
    return figure


def differences(paired: dict[str, dict[str, float]], colours: dict[str, str]) -> Figure:
    """Paired differences with their intervals; those whose interval holds zero are hollow."""
    names = list(paired)[::-1]
    figure = new_figure(8.2, 0.7 + 0.32 * len(names))
    axes = figure.add_subplot()
    axes.axvline(0.0, color=QUIET, linewidth=1.0)
    for row, name in enumerate(names):
        score, colour = paired[name], colours.get(name.split(" - ")[0], OTHER)
        clear = score["low"] > 0 or score["high"] < 0
        axes.plot([score["low"], score["high"]], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(score["mean"], row, "o", color=colour, markersize=7, markerfacecolor=colour if clear else "white")
    axes.set_yticks(range(len(names)), [name.replace(" - ", " − ") for name in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set(xlabel="difference on the same episodes [bit/s/Hz]", ylim=(-0.6, len(names) - 0.4))
    return figure


def action_shares(shares: dict[str, list[list[float]]], names: list[str], colours: dict[str, str]) -> Figure:
    """How often each policy chose each action: a panel for each component, a row for each policy.

    Args:
        shares: as `suite.figures.action_shares` gives them.
        names: of the actions, if there is one component; else they go by their numbers.
    """
    policies, parts = list(shares), len(next(iter(shares.values())))
    figure = new_figure(10.4, 0.9 + 0.34 * len(policies))
    panels = figure.subplots(1, parts, squeeze=False, sharey=True)[0]
    for part, axes in enumerate(panels):
        table = np.array([shares[policy][part] for policy in policies])
        axes.imshow(table, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
        if table.shape[1] <= _NUMBERED:
            for (row, column), share in np.ndenumerate(table):
                if share >= 0.005:
                    colour = "white" if share > 0.55 else INK
                    axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=8, color=colour)
        named = names if parts == 1 and names else [str(action) for action in range(table.shape[1])]
        every = max(1, -(-table.shape[1] // _NUMBERED))
        axes.set_xticks(range(0, table.shape[1], every), named[::every])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("action" if parts == 1 else f"component {part} of the action")
    panels[0].set_yticks(range(len(policies)), policies)
    for label in panels[0].get_yticklabels():
        label.set(fontweight="bold", color=colours.get(label.get_text(), INK))
    return figure


def chosen_periods(arrays: dict[str, Array], names: list[str], colours: dict[str, str]) -> Figure:
    """Which report period each policy chose at which sensed speed, with and without line of sight.

    Args:
        arrays: `{policy}/action`, `/speed`, `/known` and `/twin_los_probability`, one entry for each decision.
        names: of the policies, a panel each.
    """
    figure = new_figure(10.4, 3.6)
    panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(name, color=colours.get(name, INK))
        axes.grid(axis="y")
        period, speed = np.array(REPORT_PERIODS_SLOTS)[arrays[f"{name}/action"]], arrays[f"{name}/speed"]
        known, los = arrays[f"{name}/known"] > 0, arrays[f"{name}/twin_los_probability"] >= 0.5
        for where, colour, marker, sight in (
            (known & los, "#0072b2", "o", "LoS"),
            (known & ~los, "#d55e00", "s", "NLoS"),
        ):
            _quartiles(axes, speed[where], period[where], colour, marker, sight)
        axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0.0)), np.square))
        axes.xaxis.set(major_locator=FixedLocator(_SPEED_TICKS), major_formatter=StrMethodFormatter("{x:g}"))
        axes.set(xlabel="sensed speed [m/s]", xlim=(0.0, 16.0))
        _period_axis(axes.yaxis)
        axes.set_ylim(3.5, 370)
    panels[0].set_ylabel("report period chosen [slots]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _quartiles(axes: Axes, speed: Array, period: Array, colour: str, marker: str, label: str) -> None:
    """Median of `period` over bins of `speed`, its quartiles as a band."""
    rows = []
    for low, high in itertools.pairwise(SPEED_EDGES_M_S):
        inside = (speed >= low) & (speed < high)
        if inside.sum() >= LEAST_DECISIONS:
            rows.append([np.median(speed[inside]), *np.quantile(period[inside], (0.25, 0.5, 0.75))])
    if rows:
        x, low, median, high = np.array(rows).T
        axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(x, median, marker=marker, markersize=4.5, color=colour, label=label)


def best_fixed_by_speed(classes: dict[str, dict[str, Any]]) -> Figure:
    """What UEs of each class of speed earn under each fixed period, relative to the best one for them."""
    figure = new_figure(6.4, 3.6)
    axes, ends = figure.add_subplot(), []
    for (name, entry), colour in zip(classes.items(), SEQUENCE, strict=False):
        period = np.array([int(p) for p in entry["mean_contribution"]])
        share = np.array(list(entry["mean_contribution"].values()))
        best = entry["best_period_slots"]
        share = share / share[period == best]
        axes.plot(period, share, color=colour, marker="o", markersize=4)
        axes.plot(best, 1.0, marker="*", markersize=15, color=colour, markeredgecolor="white", clip_on=False, zorder=3)
        ends.append((float(period[-1]), float(share[-1]), name, colour))
    _period_axis(axes.xaxis)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(xlabel="report period of all UEs [slots]", ylabel="earned, of the best period's")
    axes.grid(axis="y")
    label_ends(axes, ends)
    return figure


def learning_curve(points: list[list[float]]) -> Figure:
    """Mean return of a policy against the decisions it has learnt from."""
    steps, returns = np.array(points, dtype=float).reshape(-1, 2).T
    figure = new_figure(6.4, 3.2)
    axes = figure.add_subplot()
    axes.plot(steps / 1000, returns, color=COLOURS["trained"], marker="o", markersize=4, clip_on=False)
    axes.set(xlabel="decisions learnt from [thousands]", ylabel="mean return in the twin [bit/s/Hz]")
    axes.set_xlim(left=0.0)
    axes.grid(axis="y")
    return figure


def headroom(by_uplink: dict[str, dict[str, Any]]) -> Figure:
    """By how much the oracle and the twin's planner beat the best fixed period, against what the uplink carries."""
    keys = sorted(by_uplink, key=float)
    shares, rows = np.array([float(key) for key in keys]), [by_uplink[key] for key in keys]
    figure = new_figure(6.4, 3.4)
    axes, ends = figure.add_subplot(), []
    axes.axhline(0.0, color=QUIET, linewidth=1.0)
    for name in ("oracle", "twin"):
        means = [row["policies"] for row in rows]
        gain = np.array([mean[name]["mean"] / mean["best-fixed"]["mean"] - 1.0 for mean in means])
        axes.plot(shares, gain, color=COLOURS[name], marker="o", markersize=5)
        ends.append((float(shares[-1]), float(gain[-1]), name, COLOURS[name]))
    axes.set_xscale("log")
    axes.xaxis.set(major_locator=FixedLocator(shares.tolist()), minor_locator=NullLocator())
    best = [f"{key:.0%}\nbest fixed: {row['best_period_slots']}" for key, row in zip(shares, rows, strict=True)]
    axes.set_xticklabels(best)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set(xlabel="share of the uplink for CSI reports", ylabel="better than the best fixed period")
    axes.margins(x=0.12)
    axes.grid(axis="y")
    label_ends(axes, ends)
    return figure


def codec(codec_scores: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """NMSE and SGCS of the codec against the codeword's length, in the twin it was trained on and in reality.

    Args:
        codec_scores: `{world: {bits: {"nmse_db", "sgcs"}}}`.
    """
    figure = new_figure(8.2, 3.2)
    panels = figure.subplots(1, 2)
    for axes, key, label in zip(panels, ("nmse_db", "sgcs"), ("NMSE [dB]", "SGCS"), strict=True):
        ends = []
        for (world, by_bits), colour in zip(codec_scores.items(), SEQUENCE[::2], strict=True):
            bits = sorted(int(b) for b in by_bits)
            values = [by_bits[str(b)][key] for b in bits]
            axes.plot(bits, values, color=colour, marker="o", markersize=5)
            ends.append((float(bits[-1]), values[-1], world, colour))
        axes.set_xscale("log")
        axes.xaxis.set(major_locator=FixedLocator(bits), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set(xlabel="codeword [bits]", ylabel=label)
        axes.margins(x=0.12)
        axes.grid(axis="y")
        label_ends(axes, ends)
    return figure


def codecs(figures: dict[str, Any]) -> Figure:
    """What codecs leave of channels, and a cell's sum rate, against the bits that reports hold on average.

    Args:
        figures: as `benchmarks.codecs` writes them, a row of panels for each world; bounds are left out.
    """
    figure = new_figure(10.4, 7.2)
    panels = figure.subplots(2, 3, sharex=True, sharey="col")
    shown = {name: about for name, about in figures["codecs"].items() if not about["bound"]}
    for row, world in zip(panels, ("twin", "reality"), strict=True):
        for name, about in shown.items():
            scores = [report[world] for report in about["reports"].values()]
            bits = [score["bits"] for score in scores]
            told = ([1 - score["sgcs"] for score in scores], *([score[key] for score in scores] for key in _TOLD))
            colour, line = _CODEC_LINES.get(name, (OTHER, "-"))
            for axes, values in zip(row, told, strict=True):
                axes.plot(bits, values, color=colour, linestyle=line, marker="o", markersize=3, label=name)
        for axes, what in zip(row, ("SGCS", "NMSE [dB]", "sum rate [bit/s/Hz]"), strict=True):
            axes.set(ylabel=f"{what}, {world}")
            axes.grid()
    for axes in panels[0]:
        axes.set_xscale("log")
        axes.xaxis.set(major_locator=FixedLocator((16, 32, 64, 128, 256, 512)), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panels[0, 0].set_yscale("log")
    panels[0, 0].yaxis.set(major_locator=FixedLocator([1 - sgcs for sgcs in _SGCS_TICKS]), minor_locator=NullLocator())
    panels[0, 0].yaxis.set_major_formatter(lambda lost, _: f"{1 - lost:.3g}")
    for axes in panels[0, :2]:
        axes.invert_yaxis()  # better is higher
    for axes in panels[1]:
        axes.set(xlabel="bits held on average, level included")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), fontsize=8, ncols=5, loc="outside lower center")
    return figure


def _period_axis(axis: XAxis | YAxis) -> None:
    """An axis of report periods."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set(major_locator=FixedLocator(REPORT_PERIODS_SLOTS), minor_locator=NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def ageing(figures: dict[str, Any]) -> Figure:
    """How much of a channel is still known so long after a report, and how much of it the predictor expects to be.

    Args:
        figures: of the study of prediction: a panel for each kind of UE and time between reports, without a codec.
    """
    panels = [(who, apart) for who, by_codec in figures["correlation"].items() for apart in by_codec["none"]]
    figure = new_figure(10.4, 3.4)
    for axes, (who, apart) in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        for name, result in figures["correlation"][who]["none"][apart].items():
            colour = _PREDICTOR_COLOURS.get(name, OTHER)
            axes.plot(figures["ages_slots"], result["correlation"], color=colour, label=name)
            if name != "hold":
                axes.plot(figures["ages_slots"], result["expected"], color=colour, linestyle=":")
        axes.axhline(0.9, color=QUIET, linewidth=0.8)
        axes.set(xscale="log", xlabel="age of the report [slots]", title=f"{who}, a report in {apart} slots")
        axes.set_ylim(0.5, 1.0)
        axes.grid(axis="y")
    first = figure.axes[0]
    first.set_ylabel("squared correlation")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(_PREDICTOR_COLOURS))
    return figure
