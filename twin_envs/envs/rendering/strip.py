"""One quantity over an episode's time."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from twin_envs.envs.rendering.ground import INK

Array = np.ndarray[Any, Any]


class Strip:
    """A line in steps, one for each window.

    Args:
        axes: where to draw.
        values: of each window up to now [T].
        least: the axis reaches at least this far.
        episode_s: length of the episode.

    Attributes:
        artists: what changes from frame to frame.
    """

    def __init__(self, axes: Axes, values: Array, *, least: float, episode_s: float) -> None:
        self._limit = _round_up(max(least, float(values.max(initial=0.0))))
        axes.set(xlim=(0, episode_s), ylim=(0, self._limit), yticks=[0, self._limit])
        axes.tick_params(labelsize=8, length=2.5)
        axes.yaxis.set_major_formatter("{x:g}")
        (self._line,) = axes.plot([], [], color=INK, linewidth=1.2, drawstyle="steps-pre", clip_on=False)
        self.artists: list[Artist] = [self._line]

    def holds(self, values: Array) -> bool:
        """Whether all values can be drawn."""
        return float(values.max(initial=0.0)) <= self._limit

    def update(self, time_s: Array, values: Array) -> None:
        """Show the values [T] of the windows between the times `time_s` [T + 1]."""
        self._line.set_data(time_s if len(values) else [], np.concatenate([values[:1], values]))


def _round_up(value: float) -> float:
    """To the next of 1, 2, 5, 10, 20, 50, ..."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9)))
