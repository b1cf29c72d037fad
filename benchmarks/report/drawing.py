"""What the pictures of a report share: colours that colour-blind readers can tell apart, and pictures as data."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imsave

from twin_envs.envs.rendering.ground import INK

COLOURS = {
    "random": "#8a8f98",
    "best-fixed": "#e69f00",
    "reference": "#009e73",
    "twin": "#0072b2",
    "trained": "#d55e00",
    "own": "#cc79a7",
    "oracle": INK,
}
"""Of the policies by their role (Okabe and Ito's palette)."""
OTHER = "#c3c8cf"
"""Of policies that have no colour of their own."""
SEQUENCE = ("#0072b2", "#e69f00", "#d55e00")
"""For things in an order, such as classes of speed."""
_DOTS_PER_INCH = 170
_LEAST_GAP = 0.065
"""Between two names at lines' ends, of the height of the axes."""


def colours(roles: dict[str, Any]) -> dict[str, str]:
    """The colour of each policy that has one, by its name.

    Args:
        roles: `suite.figures.Roles` as plain data.
    """
    named = {name: COLOURS[name] for name in ("random", "best-fixed", "oracle")}
    named |= dict.fromkeys(roles["twins"], COLOURS["twin"]) | dict.fromkeys(roles["trained"], COLOURS["trained"])
    return {roles["reference"]: COLOURS["reference"]} | named


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure whose parts keep clear of each other."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def figure_uri(figure: Figure) -> str:
    """A figure as a PNG in a `data:` URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return _data_uri(buffer)


def frame_uri(frame: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3], as a PNG in a `data:` URI."""
    buffer = io.BytesIO()
    imsave(buffer, frame, format="png")
    return _data_uri(buffer)


def _data_uri(png: io.BytesIO) -> str:
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")


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
