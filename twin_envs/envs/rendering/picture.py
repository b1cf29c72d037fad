"""Draws what the network sees of an episode: a map, rate and overhead over time, and what was decided."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twin_envs.envs.rendering.ground import QUIET, ground, style
from twin_envs.envs.rendering.history import History
from twin_envs.envs.rendering.map import Map, new_axes
from twin_envs.envs.rendering.words import Panel, Strip
from twin_envs.envs.view import View
from twin_envs.world.site import Site

Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 960, 720
"""Of a frame [pixels]."""
_MAP = (16, 176, 592, 528)
_RATE, _OVERHEAD = (44, 110, 564, 38), (44, 36, 564, 38)
_PANEL = (632, 16, 312, 688)
_BAR = (632, 54, 312, 8)
"""Left, bottom, width and height of the parts [pixels]."""
_DOTS_PER_INCH = 100
_RATE_WORDS = "rate of all UEs: {:.1f} bit per resource element"
_OVERHEAD_WORDS = "overhead: {:.1f} % of the resources"


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

    def clear(self) -> None:
        """Forget the episode."""
        self._history = self._stage = None

    def add(self, view: View) -> None:
        """Take in the next view of the episode, or its first."""
        if self._history is None:
            self._history = History(view=view)
        else:
            self._history.add(view)

    def draw(self) -> Array:
        """The present frame, uint8 [H, W, 3]. `ResetNeeded` before the first view."""
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
        self._serving = history.view.serving
        shown = ground(picture.site, picture.twin, self._serving)
        self._map = Map(new_axes(figure, _MAP), shown, history, width_px=_MAP[2], aspect=_MAP[2] / _MAP[3])
        self._panel = Panel(new_axes(figure, _PANEL), picture.title, history, (_PANEL[2], _PANEL[3]))
        rate, overhead = (new_axes(figure, place) for place in (_RATE, _OVERHEAD))
        self._rate = Strip(rate, history.rate, least=1.0, episode_s=picture.episode_s)
        self._overhead = Strip(overhead, 100 * history.overhead, least=5.0, episode_s=picture.episode_s)
        rate.tick_params(labelbottom=False)
        overhead.set_xlabel("time [s]", fontsize=8, labelpad=1)
        bar = figure.colorbar(self._map.gain, cax=new_axes(figure, _BAR), orientation="horizontal")
        bar.set_label("path gain that the twin expects of the serving AP [dB]", fontsize=8)
        bar.ax.tick_params(labelsize=8, color=QUIET)
        self._parts = (self._map, self._panel, self._rate, self._overhead)
        self._artists = [artist for part in self._parts for artist in part.artists]
        for artist in self._artists:
            artist.set_animated(True)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def holds(self, history: History) -> bool:
        """Whether what stands still is still right."""
        fits = self._rate.holds(history.rate) and self._overhead.holds(100 * history.overhead)
        return fits and history.view.serving == self._serving and self._map.holds(history.view)

    def frame(self, history: History) -> Array:
        """The pixels, uint8 [H, W, 3]."""
        self._map.update(history)
        self._panel.update(history)
        self._rate.update(history.time_s, history.rate, _RATE_WORDS)
        self._overhead.update(history.time_s, 100 * history.overhead, _OVERHEAD_WORDS)
        self._canvas.restore_region(self._still)
        renderer = self._canvas.get_renderer()
        for artist in self._artists:
            artist.draw(renderer)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()
