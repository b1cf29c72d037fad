"""The words and numbers of a picture: what was decided, and what is known of each UE."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.rendering.ground import FAINT, QUIET
from twin_envs.envs.rendering.history import History
from twin_envs.envs.rendering.layout import DECIDED, NEXT, Pen, Place

_NOTES, _NAME_CHARACTERS = 4, 10
"""So many notes fit in the table, with names so long."""
_DECISION_LINES = 3
_DECISION_PX, _EARLIER_PX, _TABLE_PX, _TABLE_END_PX = 46, 142, 256, 590
_TIME_PX, _LINE_PX, _ROW_PX, _HEAD_PX = 46, 17, 18, 32
_UE_PX, _COLUMN_PX = 16, 59
"""Right edge of the table's first column, and width of the others."""
_TINTS = {DECIDED: "#f9e1d1", NEXT: "#d1e5f1"}
"""Colours of rows of the table."""


def write_panel(pen: Pen, title: str, history: History, place: Place) -> None:
    """What was decided, last and before, and what is known of each UE."""
    snapshot, left, top, width = history.snapshot, place.left, place.top, place.width
    pen.write(left, top, title, size_px=18, bold=True, anchor="lt")
    pen.write(left + width, top, f"{snapshot.time_s:.3f} s", size_px=14, colour=QUIET, anchor="rt")
    said = snapshot.decision if snapshot.decided is not None else "nothing decided yet"
    lines = pen.broken(said, width, _DECISION_LINES, size_px=14, bold=True)
    y_px = top + _DECISION_PX
    for line in lines:
        pen.write(left, y_px, line, size_px=14, bold=True, colour=DECIDED)
        y_px += 19
    if snapshot.deciding is not None:
        pen.write(left, y_px + 3, f"next decision: UE {snapshot.deciding}", size_px=12, bold=True, colour=NEXT)
    y_px = top + _EARLIER_PX
    pen.write(left, y_px, "before", colour=QUIET)
    for time_s, decision in history.decisions[1:]:
        y_px += _LINE_PX
        pen.write(left, y_px, f"{time_s:.3f} s", size_px=10, colour=QUIET)
        (line,) = pen.broken(decision, width - _TIME_PX, 1, size_px=10)
        pen.write(left + _TIME_PX, y_px, line, size_px=10)
    _write_table(pen, snapshot, Place(left, top + _TABLE_PX, width, _TABLE_END_PX - _TABLE_PX))


def _write_table(pen: Pen, snapshot: Snapshot, place: Place) -> None:
    left, top, width = place.left, place.top, place.width
    columns = {**dict(list(snapshot.notes.items())[:_NOTES]), "rate [bit/RE]": snapshot.ue_rate}
    pen.write(left + _UE_PX, top, "UE", size_px=10, colour=QUIET, anchor="rs")
    for column, name in enumerate(columns):
        words, _, unit = name.rstrip("]").partition(" [")
        right = left + _UE_PX + (column + 1) * _COLUMN_PX
        pen.write(right, top, _shortened(words), size_px=10, colour=QUIET, anchor="rs")
        pen.write(right, top + 13, unit, size_px=10, colour=QUIET, anchor="rs")
    pen.fill(left, top + 20, left + width, top + 20, FAINT)
    row_px = min(_ROW_PX, (place.height - _HEAD_PX) / len(snapshot.ue_m))
    for ue in range(len(snapshot.ue_m)):
        middle = top + _HEAD_PX + ue * row_px
        if tint := _TINTS[DECIDED] if ue == snapshot.decided else _TINTS[NEXT] if ue == snapshot.deciding else "":
            pen.fill(left - 4, middle - row_px / 2, left + width + 4, middle + row_px / 2 - 1, tint)
        pen.write(left + _UE_PX, middle, str(ue), size_px=12, bold=True, anchor="rm")
        for column, values in enumerate(columns.values()):
            right = left + _UE_PX + (column + 1) * _COLUMN_PX
            pen.write(right, middle, _number(values[ue]), size_px=12, anchor="rm")


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else name[: _NAME_CHARACTERS - 1] + "…"


def _number(value: np.number[Any]) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if isinstance(value, np.integer) or abs(value) >= 100 else f"{value:.1f}"
