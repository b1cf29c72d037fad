"""The map of a picture: the ground, and on it the UEs, their tracks, and what connects them with the APs."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.image import AxesImage

from twin_envs.envs.core.snapshot import Beam, Connection, Snapshot
from twin_envs.envs.rendering.ground import INK, QUIET, Ground, draw_access_points, draw_ground
from twin_envs.envs.rendering.history import History
from twin_envs.envs.rendering.layout import DECIDED, NEXT, Pen, Place

Array = np.ndarray[Any, Any]

_MARGIN_M, _EDGE_M, _GRID_M, _LEAST_WIDTH_M = 10.0, 4.0, 10.0, 60.0
_PUSHES, _FAR = 100, 1e9
_BADGE_PX = 18.0
"""Least distance between the numbers of two UEs."""
_AT_AP_PX = 9.0
"""Lines end so far from an AP."""
_BEAM_SHARE = 0.3
"""Length of a beam, of the map's width."""
_SCALES_M = (5, 10, 20, 50, 100, 200, 500, 1000)
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 25)), np.sin(np.linspace(0, 2 * np.pi, 25))], -1)


class Map:
    """The part of the site where the UEs are, and the serving APs.

    Args:
        axes: where to draw.
        shown: the ground.
        history: the episode up to now.
        place: of the axes.

    Attributes:
        gain: the image of the gain, for a colour bar.
        artists: what changes from frame to frame, from the bottom to the top.
    """

    def __init__(self, axes: Axes, shown: Ground, history: History, place: Place) -> None:
        self._ground, self._place = shown, place
        self._low, self._high = self._box(history)
        self._m_per_px = float(self._high[0] - self._low[0]) / place.width
        self.gain: AxesImage = draw_ground(axes, shown)
        draw_access_points(axes, shown)
        axes.set(xlim=(self._low[0], self._high[0]), ylim=(self._low[1], self._high[1]), xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=QUIET, linewidth=0.8)
        self._scale_bar(axes)
        self._beams, self._doubt = PolyCollection([], edgecolors="none"), PolyCollection([], edgecolors="none")
        self._links, self._leaders = LineCollection([]), LineCollection([], colors=INK, linewidths=0.8)
        self._halos = LineCollection([], colors="white", linewidths=4.0, capstyle="round")
        self._tracks = LineCollection([], linewidths=2.0, capstyle="round")
        under = [self._beams, self._doubt, self._links, self._halos, self._tracks, self._leaders]
        for collection in under:
            axes.add_collection(collection, autolim=False)
        self._places = axes.scatter([], [], s=14, color=INK, linewidths=0)
        self._badges = axes.scatter([], [], s=140, linewidths=1.1)
        self.artists: list[Artist] = [*under, self._places, self._badges]

    def holds(self, history: History) -> bool:
        """Whether this is still the part of the site to show."""
        return np.array_equal((self._low, self._high), self._box(history))

    def update(self, history: History) -> None:
        """Show the present."""
        snapshot = history.snapshot
        self._beams.set_verts([self._sector(beam) for beam in snapshot.beams])
        self._beams.set_facecolor(
            [_connection_colour(beam, snapshot, 0.08 + 0.22 * beam.strength) for beam in snapshot.beams]
        )
        self._links.set_segments([self._line(link, snapshot) for link in snapshot.links])
        self._links.set_color(
            [_connection_colour(link, snapshot, 0.15 + 0.6 * link.strength) for link in snapshot.links]
        )
        self._links.set_linewidth([0.8 + 1.6 * link.strength for link in snapshot.links])
        shown = [ue for ue in (snapshot.decided, snapshot.deciding) if ue is not None]
        self._doubt.set_verts([snapshot.ue_m[ue] + 2 * snapshot.ue_std_m[ue] * _CIRCLE for ue in shown])
        self._doubt.set_facecolor([to_rgba(_colour(ue, snapshot, INK), 0.3) for ue in shown])
        tracks = list(history.track_m.swapaxes(0, 1))
        self._halos.set_segments(tracks)
        self._tracks.set_segments(tracks)
        self._tracks.set_color([_colour(ue, snapshot, INK) for ue in range(len(tracks))])
        badges = spread(snapshot.ue_m, _BADGE_PX * self._m_per_px)
        self._leaders.set_segments(list(np.stack([snapshot.ue_m, badges], 1)))
        self._places.set_offsets(snapshot.ue_m)
        self._badges.set_offsets(badges)
        self._badges.set_facecolor([_colour(ue, snapshot, "white") for ue in range(len(badges))])
        self._badges.set_edgecolor([_edge_colour(ue, snapshot) for ue in range(len(badges))])
        self._badge_m = badges

    def write(self, pen: Pen, snapshot: Snapshot) -> None:
        """Write the UEs' numbers on the frame that `artists` are on."""
        right_px, up_px = ((self._badge_m - self._low) / self._m_per_px).T
        place = self._place
        for ue in np.flatnonzero((right_px > 0) & (right_px < place.width) & (up_px > 0) & (up_px < place.height)):
            at = (place.left + right_px[ue], place.top + place.height - up_px[ue])
            colour = INK if _colour(int(ue), snapshot, INK) == INK else "white"
            pen.write(*at, str(ue), colour=colour, bold=True, anchor="mm")

    def _scale_bar(self, axes: Axes) -> None:
        length_m = max([s for s in _SCALES_M if s < 0.25 * (self._high - self._low)[0]], default=_SCALES_M[0])
        right, y_m = self._high[0] - 14 * self._m_per_px, self._low[1] + 14 * self._m_per_px
        axes.plot([right - length_m, right], [y_m, y_m], color=INK, linewidth=2.5, solid_capstyle="butt", zorder=7)
        axes.text(right - length_m / 2, y_m + 5 * self._m_per_px, f"{length_m} m", ha="center", fontsize=8, zorder=7)

    def _line(self, link: Connection, snapshot: Snapshot) -> Array:
        """From AP to UE [2, 2], clear of the AP's triangle."""
        start, end = self._ground.ap_m[link.ap], snapshot.ue_m[link.ue]
        length_m = max(float(np.linalg.norm(end - start)), 1e-9)
        return np.stack([start + min(_AT_AP_PX * self._m_per_px / length_m, 1.0) * (end - start), end])

    def _sector(self, beam: Beam) -> Array:
        angle = beam.azimuth_rad + beam.width_rad * np.linspace(-0.5, 0.5, 13)
        arc = _BEAM_SHARE * (self._high - self._low)[0] * np.stack([np.cos(angle), np.sin(angle)], -1)
        return self._ground.ap_m[beam.ap] + np.concatenate([np.zeros((1, 2)), arc])

    def _box(self, history: History) -> tuple[Array, Array]:
        """Lower left and upper right corner of the part of the site to show."""
        points = np.concatenate([history.track_m.reshape(-1, 2), self._ground.ap_m[list(self._ground.serving)]])
        return frame_points(points, np.reshape(self._ground.area_m, (2, 2)), self._place.width / self._place.height)


def frame_points(points: Array, area: Array, aspect: float) -> tuple[Array, Array]:
    """Corners of a box of `aspect` round the points [N, 2] with a margin, within the area [2, 2] if it can be.

    Points may wander for `_GRID_M` before the box changes.
    """
    low, high = np.floor(points.min(0) / _GRID_M) * _GRID_M, np.ceil(points.max(0) / _GRID_M) * _GRID_M
    least, most = np.minimum(area[0] - _EDGE_M, low), np.maximum(area[1] + _EDGE_M, high)
    low, high = np.maximum(low - _MARGIN_M, least), np.minimum(high + _MARGIN_M, most)
    width = max(float(high[0] - low[0]), aspect * float(high[1] - low[1]), _LEAST_WIDTH_M)
    size = np.array([width, width / aspect])
    inside = np.clip((low + high - size) / 2, least, np.maximum(most - size, least))
    corner = np.where(most - least > size, inside, (least + most - size) / 2)
    return corner, corner + size


def spread(points: Array, least: float) -> Array:
    """Points [N, 2] moved apart until each pair, or almost, keeps the distance `least`."""
    turn = 2.4 * np.arange(len(points))  # parts those at the same place
    places = points + 1e-3 * least * np.stack([np.cos(turn), np.sin(turn)], -1)
    for _ in range(_PUSHES):
        between = places[:, None] - places
        distance = np.linalg.norm(between, axis=-1) + _FAR * np.eye(len(places))
        if distance.min() >= 0.98 * least:
            break
        push = 0.5 * (least - distance).clip(0.0) / distance.clip(1e-9)
        places = places + (between * push[..., None]).sum(1)
    return places


def _colour(ue: int, snapshot: Snapshot, otherwise: str) -> str:
    return DECIDED if ue == snapshot.decided else NEXT if ue == snapshot.deciding else otherwise


def _edge_colour(ue: int, snapshot: Snapshot) -> str:
    if ue == snapshot.decided == snapshot.deciding:
        return NEXT
    return "white" if ue in (snapshot.decided, snapshot.deciding) else INK


def _connection_colour(
    connection: Connection | Beam, snapshot: Snapshot, opacity: float
) -> tuple[float, float, float, float]:
    if snapshot.decided is not None and connection.ue == snapshot.decided:
        return to_rgba(DECIDED, min(opacity + 0.25, 1.0))
    return to_rgba(INK, opacity)
