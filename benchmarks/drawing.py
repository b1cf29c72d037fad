"""How pictures look: colours that colour-blind readers can tell apart, type, and pictures as data."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, FAINT = "#1b1f24", "#6b7280", "#d5d9de"
COLOURS = {
    "random": "#8a8f98",
    "best-fixed": "#e69f00",
    "reference": "#009e73",
    "twin": "#0072b2",
    "trained": "#d55e00",
    "oracle": INK,
}
"""Of the policies by their role (Okabe and Ito's palette)."""
OTHER = "#c3c8cf"
"""Of policies that have no colour of their own."""
SEQUENCE = ("#0072b2", "#e69f00", "#d55e00")
"""For things in an order, such as classes of speed."""
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
}
_DOTS_PER_INCH = 170
_LEAST_GAP = 0.065
"""Between two names at lines' ends, of the height of the axes."""


def colours(roles: dict[str, Any]) -> dict[str, str]:
    """The colour of each policy that has one, by its name.

    Args:
        roles: `benchmarks.figures.Roles` as plain data.
    """
    named = {name: COLOURS[name] for name in ("random", "best-fixed", "oracle")}
    named |= dict.fromkeys(roles["twins"], COLOURS["twin"]) | dict.fromkeys(roles["trained"], COLOURS["trained"])
    return {roles["reference"]: COLOURS["reference"]} | named


@contextmanager
def style() -> Iterator[None]:
    """Figures made and saved within look the same."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure whose parts keep clear of each other."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def data_uri(figure: Figure) -> str:
    """A figure as a PNG in a `data:` URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def label_ends(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Name lines at their ends instead of in a legend; names that would meet are moved apart.

    Args:
        axes: linear in y, and finished.
        ends: of each line x, y, name and colour.
    """
    low, high = axes.get_ylim()
    placed = -np.inf
    for x, y, name, colour in sorted(ends, key=lambda end: end[1]):
        placed = max((y - low) / (high - low), placed + _LEAST_GAP)
        axes.annotate(
            name,
            (x, placed),
            xycoords=("data", "axes fraction"),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontweight="bold",
        )
