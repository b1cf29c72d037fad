"""Draws what the network sees of an episode: a map, rate and overhead over time, and what was decided."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.rendering.ground import QUIET, ground, style
from twin_envs.envs.rendering.history import History
from twin_envs.envs.rendering.layout import Pen, Place
from twin_envs.envs.rendering.map import Map
from twin_envs.envs.rendering.strip import Strip
from twin_envs.envs.rendering.words import write_panel
from twin_envs.world.store.site import Site

Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 960, 720
"""Of a frame [pixels]."""
_MAP = Place(16, 16, 592, 528)
_RATE, _OVERHEAD = Place(44, 572, 564, 38), Place(44, 646, 564, 38)
_PANEL = Place(632, 16, 312, 600)
_BAR = Place(632, 658, 312, 8)
_DOTS_PER_INCH = 100


class Picture:
    """Frames of one episode after another.

    Args:
        site: where the episodes take place.
        twin: the world whose gain is shown.
        title: name of the decision.
        episode_s: length of an episode.
    """

    def __init__(self, site: Site, twin: str, *, title: str, episode_s: float) -> None:
        self.site, self.twin, self.title, self.episode_s = site, twin, title, episode_s
        self._history: History | None = None
        self._stage: _Stage | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Picture:
        """A picture of the same episode, which draws anew what stands still: its pixels cannot be copied."""
        copy = Picture(self.site, self.twin, title=self.title, episode_s=self.episode_s)
        copy._history = deepcopy(self._history, memo)
        return copy

    def clear(self) -> None:
        """Forget the episode."""
        self._history = self._stage = None

    def add(self, snapshot: Snapshot) -> None:
        """Take in the next snapshot of the episode, or its first."""
        if self._history is None:
            self._history = History(snapshot=snapshot)
        else:
            self._history.add(snapshot)

    def draw(self) -> Array:
        """The present frame, uint8 [H, W, 3]. `ResetNeeded` before the first snapshot."""
        if self._history is None:
            raise gymnasium.error.ResetNeeded("call reset before render")
        with style():
            if self._stage is None or not self._stage.holds(self._history):
                self._stage = _Stage(self, self._history)
            return self._stage.frame(self._history)


class _Stage:
    """What stands still (buildings, gain, axes, some words) is drawn once and kept as pixels; a frame adds the rest."""

    def __init__(self, picture: Picture, history: History) -> None:
        figure = Figure(figsize=(WIDTH / _DOTS_PER_INCH, HEIGHT / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
        self._canvas = FigureCanvasAgg(figure)
        self._serving, self._title = history.snapshot.serving, picture.title
        shown = ground(picture.site, picture.twin, self._serving)
        self._map = Map(_MAP.axes(figure), shown, history, _MAP)
        rate, overhead = _RATE.axes(figure), _OVERHEAD.axes(figure)
        self._rate = Strip(rate, history.rate, least=1.0, episode_s=picture.episode_s)
        self._overhead = Strip(overhead, 100 * history.overhead, least=5.0, episode_s=picture.episode_s)
        rate.tick_params(labelbottom=False)
        overhead.set_xlabel("time [s]", fontsize=8, labelpad=1)
        bar = figure.colorbar(self._map.gain, cax=_BAR.axes(figure), orientation="horizontal")
        bar.set_label(f"best gain of the APs in red, world {picture.twin} [dB]", fontsize=8)
        bar.ax.tick_params(labelsize=8, color=QUIET)
        self._artists = [artist for part in (self._map, self._rate, self._overhead) for artist in part.artists]
        for artist in self._artists:
            artist.set_animated(True)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def holds(self, history: History) -> bool:
        """Whether what stands still is still right."""
        fits = self._rate.holds(history.rate) and self._overhead.holds(100 * history.overhead)
        return fits and history.snapshot.serving == self._serving and self._map.holds(history)

    def frame(self, history: History) -> Array:
        """The pixels, uint8 [H, W, 3]."""
        self._map.update(history)
        self._rate.update(history.time_s, history.rate)
        self._overhead.update(history.time_s, 100 * history.overhead)
        self._canvas.restore_region(self._still)
        renderer = self._canvas.get_renderer()
        for artist in self._artists:
            artist.draw(renderer)
        pen = Pen(np.asarray(self._canvas.buffer_rgba())[..., :3])
        self._map.write(pen, history.snapshot)
        write_panel(pen, self._title, history, _PANEL)
        if len(history.rate):
            rate, overhead = history.rate[-1], 100 * history.overhead[-1]
            pen.write(_RATE.left, _RATE.top - 6, f"delivered: {rate:.1f} bit per resource element")
            pen.write(_OVERHEAD.left, _OVERHEAD.top - 6, f"overhead: {overhead:.1f} % of the resources")
        return pen.pixels
