"""The words and numbers of a picture: what was decided, what is known of each UE, and rate and overhead over time."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from twin_envs.envs.rendering.ground import FAINT, INK, QUIET
from twin_envs.envs.rendering.history import History
from twin_envs.envs.rendering.map import DECIDED, NEXT
from twin_envs.envs.view import View

Array = np.ndarray[Any, Any]

_NOTES = 4
"""So many notes fit in the table."""
_DECISION_CHARACTERS, _DECISION_LINES, _EARLIER_CHARACTERS = 40, 3, 46
_DECISION_PX = 34.0
_TABLE_PX, _TABLE_END_PX, _ROW_PX = 240.0, 566.0, 18.0
_NUMBER_PX, _COLUMN_PX = 22.0, 56.0


class Panel:
    """What was decided, and what is known of each UE.

    Args:
        axes: where to write; they are laid out in pixels.
        title: name of the decision.
        history: the episode up to now.
        size_px: width and height of the axes.

    Attributes:
        artists: what changes from frame to frame.
    """

    def __init__(self, axes: Axes, title: str, history: History, size_px: tuple[float, float]) -> None:
        self._width_px = size_px[0]
        axes.set(xlim=(0, size_px[0]), ylim=(size_px[1], 0))
        axes.set_axis_off()
        axes.text(0, 0, title, va="top", fontsize=13, fontweight="bold")
        axes.text(0, 126, "before", va="top", fontsize=8, color=QUIET)
        self._time = axes.text(self._width_px, 2, "", va="top", ha="right", fontsize=10, color=QUIET)
        kind: Any = {"va": "top", "fontweight": "bold"}
        self._decision = axes.text(0, _DECISION_PX, "", fontsize=10, color=DECIDED, linespacing=1.3, **kind)
        self._next = axes.text(0, 0, "", fontsize=9, color=NEXT, **kind)
        kind = {"va": "top", "fontsize": 8, "linespacing": 1.45}
        self._when, self._earlier = axes.text(0, 142, "", color=QUIET, **kind), axes.text(54, 142, "", **kind)
        self._table(axes, history.view)
        texts = [self._time, self._decision, self._next, self._when, self._earlier]
        self.artists: list[Artist] = [*self._bands, *texts, *(cell for row in self._cells for cell in row)]

    def _table(self, axes: Axes, view: View) -> None:
        num_ue, names = len(view.ue_m), [*list(view.notes)[:_NOTES], "rate [bit/RE]"]
        self._row_px = min(_ROW_PX, (_TABLE_END_PX - _TABLE_PX - 30) / num_ue)
        axes.text(0, _TABLE_PX + 14, "UE", va="top", fontsize=8, color=QUIET)
        for column, name in enumerate(names):
            words = name.rstrip("]").replace(" [", "\n")
            axes.text(self._column_px(column), _TABLE_PX, words, va="top", ha="right", fontsize=7.5, color=QUIET)
        axes.plot([0, self._width_px], 2 * [_TABLE_PX + 31], color=FAINT, linewidth=0.8)
        kind: Any = {"va": "center", "ha": "right", "fontsize": 8.5}
        rows = [self._row_centre_px(ue) for ue in range(num_ue)]
        for ue, y_px in enumerate(rows):
            axes.text(14, y_px, str(ue), fontweight="bold", **kind)
        self._cells: list[list[Text]] = [
            [axes.text(self._column_px(column), y_px, "", **kind) for column in range(len(names))] for y_px in rows
        ]
        shape = ((-4, 0), self._width_px + 8, self._row_px)
        self._bands = [Rectangle(*shape, color=colour, alpha=0.18, linewidth=0) for colour in (DECIDED, NEXT)]
        for band in self._bands:
            axes.add_patch(band)

    def _column_px(self, column: int) -> float:
        """Right edge of a column."""
        return _NUMBER_PX + (column + 1) * min(_COLUMN_PX, (self._width_px - _NUMBER_PX) / (_NOTES + 1))

    def _row_centre_px(self, ue: int) -> float:
        return _TABLE_PX + 34 + (ue + 0.5) * self._row_px

    def update(self, history: History) -> None:
        """Show the present."""
        view = history.view
        self._time.set_text(f"{view.time_s:.3f} s")
        said = view.decision if view.decided is not None else "nothing decided yet"
        lines = textwrap.wrap(said, _DECISION_CHARACTERS, max_lines=_DECISION_LINES, placeholder=" …")
        self._decision.set_text("\n".join(lines))
        self._next.set_text(f"next decision: UE {view.deciding}")
        self._next.set_y(_DECISION_PX + 6 + 19 * len(lines))
        self._when.set_text("\n".join(f"{time_s:.3f} s" for time_s, _ in history.decisions[1:]))
        self._earlier.set_text("\n".join(_shortened(decision) for _, decision in history.decisions[1:]))
        columns = [*list(view.notes.values())[:_NOTES], view.ue_rate]
        for ue, row in enumerate(self._cells):
            for cell, values in zip(row, columns):
                cell.set_text(_number(float(values[ue])))
        for band, marked in zip(self._bands, (view.decided, view.deciding)):
            band.set_visible(marked is not None)
            if marked is not None:
                band.set_y(self._row_centre_px(marked) - self._row_px / 2)


class Strip:
    """One quantity over the episode's time.

    Args:
        axes: where to draw.
        values: of each window up to now [T].
        least: the largest value is drawn at least at this.
        episode_s: length of the episode.

    Attributes:
        artists: what changes from frame to frame.
    """

    def __init__(self, axes: Axes, values: Array, *, least: float, episode_s: float) -> None:
        self._limit = _nice_limit(max(least, float(values.max(initial=0.0))))
        axes.set(xlim=(0, episode_s), ylim=(0, self._limit), yticks=[0, self._limit])
        axes.tick_params(labelsize=8, length=2.5)
        axes.yaxis.set_major_formatter("{x:g}")
        (self._line,) = axes.plot([], [], color=INK, linewidth=1.2, drawstyle="steps-pre", clip_on=False)
        self._words = axes.text(0, 1.12, "", transform=axes.transAxes, fontsize=8)
        self.artists: list[Artist] = [self._line, self._words]

    def holds(self, values: Array) -> bool:
        """Whether all values can be drawn."""
        return float(values.max(initial=0.0)) <= self._limit

    def update(self, time_s: Array, values: Array, words: str) -> None:
        """Show the values of the windows between the times `time_s` [T + 1]."""
        self._line.set_data(time_s, np.concatenate([values[:1], values]))
        self._words.set_text(words.format(values[-1]) if len(values) else "")


def _shortened(text: str) -> str:
    return text if len(text) <= _EARLIER_CHARACTERS else text[: _EARLIER_CHARACTERS - 1] + "…"


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _nice_limit(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ..."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9)))
