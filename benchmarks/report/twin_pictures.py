"""Pictures of channel twins: maps side by side, learning together, and accuracy against cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import COLOURS, new_figure
from twin_envs.benchmarks.report.tables import load_figures, markdown_table

MAPS, BEAMS, FEDERATION = "twins-maps", "twins-beams", "twins-federation"
_LOST = {
    "lost_db": "best of three loses [dB]",
    "lost_common_db": "over links that all know",
    "lost_in_sight_db": "in sight",
    "lost_hidden_db": "hidden",
}
_SITE, _PLACES = "munich", "144"
_SPLITS = {"random": "at random places", "spatial-block": "in blocks where nothing was measured"}


def maps(figures: dict[str, Any]) -> Figure:
    """The strongest gain everywhere, by reality and by twins, and which access points each gives to one UE.

    Args:
        figures: of the study `maps` of `benchmarks.twins`.
    """
    told = figures["maps"]
    figure = new_figure(4.0 * len(told), 4.4)
    panels = figure.subplots(1, len(told), sharey=True)
    ap_m, (ue_x, ue_y) = np.array(figures["ap_m"]), figures["ue_m"]
    gains = {name: np.array(of_it["gain_db"], float) for name, of_it in told.items()}
    low, high = (np.nanquantile(gains["reality"], share) for share in (0.02, 0.98))
    right = set(told["reality"]["chosen"])
    for axes, (name, of_it) in zip(panels, told.items(), strict=True):
        shown = axes.pcolormesh(figures["x_m"], figures["y_m"], gains[name], cmap="viridis", vmin=low, vmax=high)
        axes.plot(*ap_m.T, "^", color="white", markeredgecolor="black", markersize=6)
        for chosen in of_it["chosen"]:
            colour = "white" if chosen in right else COLOURS["trained"]
            axes.plot([ue_x, ap_m[chosen, 0]], [ue_y, ap_m[chosen, 1]], color=colour, linewidth=1.6)
        axes.plot(ue_x, ue_y, "o", color=COLOURS["best-fixed"], markeredgecolor="black", markersize=8)
        axes.set_title(name if name == "reality" else f"{name}: keeps {of_it['kept']:.1%}")
        axes.set_aspect("equal")
        axes.set_xlabel("x [m]")
    panels[0].set_ylabel("y [m]")
    figure.colorbar(shown, ax=panels, label="gain of the strongest access point [dB]", shrink=0.8)
    return figure


_LEARNERS = {
    "central, steps of 5": "best-fixed",
    "federated, 5": "twin",
    "federated, 3": "oracle",
    "one of five alone": "random",
    "regions": "trained",
}
"""Contenders of the federation whose learning is drawn, and in which colour."""
_MSE_DB2 = (10, 20, 50, 100, 200)
_BOXES = ("path-loss", "central", "central, steps of 5", "federated, 3", "federated, 5", "regions", "regions, FedProx")


def federation(figures: dict[str, Any]) -> Figure:
    """How the mean squared error falls with the rounds, and how large errors are in the end.

    Args:
        figures: of the study `federation` of `benchmarks.twins`.
    """
    figure = new_figure(10.4, 4.2)
    learning, boxes = figure.subplots(1, 2)
    for name, colour in _LEARNERS.items():
        errors = figures["mse_db2"][name]
        learning.plot(range(1, len(errors) + 1), errors, color=COLOURS[colour], label=name)
    learning.set_yscale("log")
    learning.set_yticks(_MSE_DB2, [str(mse) for mse in _MSE_DB2])
    learning.minorticks_off()
    learning.set_xlabel("round")
    learning.set_ylabel("mean squared error of the gain [dB²]")
    learning.legend(fontsize=8)
    names = ("whislo", "q1", "med", "q3", "whishi")
    told = [{**dict(zip(names, figures["box_db"][name], strict=True)), "label": name} for name in _BOXES]
    boxes.bxp(told, showfliers=False, orientation="horizontal")
    boxes.invert_yaxis()
    boxes.set_xlabel("absolute error of the gain [dB]")
    for axes in (learning, boxes):
        axes.grid(alpha=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def cost(figures: dict[str, Any]) -> Figure:
    """The error of each twin's gain against the links that it answers in a second.

    Args:
        figures: of the study `coverage` of `benchmarks.twins`.
    """
    figure = new_figure(10.4, 4.2)
    panels = figure.subplots(1, len(_SPLITS), sharey=True)
    for axes, (split, shown) in zip(panels, _SPLITS.items(), strict=True):
        for name, by_split in figures["mae_db"].items():
            error_db, speed = by_split[split][_SITE][_PLACES], figures["queries_per_second"][name]
            quick = speed > 1e5
            axes.plot(speed, error_db, "o", color=COLOURS["twin"] if quick else COLOURS["best-fixed"])
        _name_points(axes, figures, split)
        axes.set_xscale("log")
        axes.set_xlim(3e3, 3e7)
        axes.set_title(shown)
        axes.set_xlabel("links answered in a second, one thread")
        axes.grid(alpha=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"mean absolute error of the gain [dB], {_PLACES} places")
    return figure


def _name_points(axes: Any, figures: dict[str, Any], split: str) -> None:
    """Names beside points, those that would meet moved apart, the fast twins to the right and the slow to the left."""
    errors = {name: by_split[split][_SITE][_PLACES] for name, by_split in figures["mae_db"].items()}
    apart = 0.045 * (max(errors.values()) - min(errors.values()))
    placed = {True: -np.inf, False: -np.inf}
    for name, error_db in sorted(errors.items(), key=lambda item: item[1]):
        speed = figures["queries_per_second"][name]
        quick = speed > 1e5
        placed[quick] = max(error_db, placed[quick] + apart)
        axes.annotate(
            name,
            (speed, error_db),
            xytext=(2.2e6 if quick else 4.5e4, placed[quick]),
            textcoords="data",
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": COLOURS["random"]},
        )


def beams() -> str:
    """By twin and measured places, how good the beams are that it finds best, and how long an answer takes."""
    figures = load_figures(BEAMS)
    rows = [
        (
            f"`{name}`",
            count if int(count) else "none",
            f"{best:.0%}",
            *(f"{figures[figure][name][count]:.1f}" for figure in _LOST),
            f"{figures['missed'][name][count]:.0%}",
        )
        for name, by_count in figures["best"].items()
        for count, best in by_count.items()
    ]
    head = ("twin", "measured places", "best beam found", *_LOST.values(), "missed")
    return markdown_table(head, rows)
