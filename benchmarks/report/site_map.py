"""The map of a site with an episode on it: buildings, APs, the serving gain in the twin, and where UEs reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array, Policy, State
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.view import csi_view
from twin_envs.envs.rendering.ground import INK, Ground, draw_access_points, draw_ground, ground

MAPPED = ("FeedbackInterval",)
"""Environments whose episodes are drawn: those that `TwinPlanner` decides in."""
EPISODE_SLOTS = 6000
"""Length of the episode that is drawn: at walking pace the usual one would be a dot on the map."""
_CMAP = "plasma"
_SIZE_IN = (12.0, 7.5)
_PLACES_IN = {
    "map": (0.75, 1.3, 5.8, 5.8),
    "gain": (1.2, 0.62, 4.9, 0.13),
    "near": (7.45, 4.13, 4.455, 2.97),
    "reports": (7.45, 1.3, 4.455, 2.2),
    "snr": (7.95, 0.62, 3.455, 0.13),
}
"""Left, bottom, width and height of the parts of the picture."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """The reports of one UE.

    Attributes:
        time_s: when they came [K].
        position_m: where the network believed the UE to be [K, 2].
        snr_db: of an antenna port, as reported [K].
        speed_m_s: mean of the sensed speed.
    """

    time_s: Array
    position_m: Array
    snr_db: Array
    speed_m_s: float


@dataclass(frozen=True, kw_only=True)
class SiteMap:
    """What is drawn of a site; all of it the network knows.

    Attributes:
        name: of the site.
        ground: buildings, APs and the gain of the cell's AP in the twin.
        tracks: of the cell's UEs.
    """

    name: str
    ground: Ground
    tracks: list[Track]


def collect(env: str, options: dict[str, Any], seed: int) -> SiteMap:
    """Run one episode of `EPISODE_SLOTS` with walkers and vehicles under the twin's planner, and keep what is drawn.

    Args:
        env: name of the environment.
        options: of the environment; population and length are replaced.
        seed: of the episode.
    """
    envs = make_envs(env, 1, **{**options, "population": "mixed", "episode_slots": EPISODE_SLOTS})
    recorder = _Recorder(TwinPlanner())
    play(recorder, envs, [seed])
    site, config = envs.core.site, envs.network.config
    return SiteMap(
        name=site.recipe.name,
        ground=ground(site, config.twin, (recorder.ap,)),
        tracks=recorder.tracks(config.num_ue, envs.network.slot_s),
    )


class _Report(NamedTuple):
    """What is kept of a report: whose, when, where the UE was believed to be, how strong, how fast."""

    ue: int
    slots: int
    position_m: Array
    snr_db: float
    speed_m_s: float


class _Recorder:
    """A policy that another one decides for, and that remembers who reported when, where and how strongly."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.seen: list[_Report] = []

    def attach(self, network: NetworkView) -> None:
        self.cell = csi_view(network)
        self.policy.attach(network)

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        cell, state_now = self.cell, self.cell.state
        ue, self.ap = int(state_now.turn[0]), int(state_now.ap[0])
        snr_db, speed_m_s = (float(cell.layout.value(observation, name)[0]) for name in ("snr", "speed"))
        position_m = cell.sensing.position[0, ue].cpu().numpy().copy()
        self.seen.append(_Report(ue, int(state_now.now_slots[0]), position_m, snr_db, speed_m_s))
        return self.policy.predict(observation, state, episode_start, deterministic)

    def tracks(self, num_ue: int, slot_s: float) -> list[Track]:
        found = []
        for ue in range(num_ue):
            mine = [report for report in self.seen if report.ue == ue]
            found.append(
                Track(
                    time_s=np.array([report.slots for report in mine], dtype=float) * slot_s,
                    position_m=np.array([report.position_m for report in mine], dtype=float).reshape(-1, 2),
                    snr_db=np.array([report.snr_db for report in mine], dtype=float),
                    speed_m_s=float(np.mean([report.speed_m_s for report in mine])) if mine else 0.0,
                )
            )
        return found


def draw(site: SiteMap) -> Figure:
    """The map; the UEs' surroundings, larger; and when each UE reported, from the slowest to the fastest."""
    figure = Figure(figsize=_SIZE_IN)
    width_in, height_in = _SIZE_IN
    axes = {
        name: figure.add_axes((left / width_in, bottom / height_in, width / width_in, height / height_in))
        for name, (left, bottom, width, height) in _PLACES_IN.items()
    }
    tracks = sorted(site.tracks, key=lambda track: track.speed_m_s)
    snr_db = np.concatenate([track.snr_db for track in tracks])
    norm = Normalize(float(snr_db.min()) - 1.0, float(snr_db.max()) + 1.0)
    box = _surroundings(tracks)
    for name, line in (("map", 3.0), ("near", 5.0)):
        gain = draw_ground(axes[name], site.ground)
        draw_access_points(axes[name], site.ground)
        for track in tracks:
            _track(axes[name], track, line, norm)
    (x0, y0), (x1, y1) = np.reshape(site.ground.area_m, (2, 2))
    axes["map"].set(xlabel="x [m]", ylabel="y [m]", xlim=(x0, x1), ylim=(y0, y1), title="the site")
    axes["map"].add_patch(Rectangle(box[0], *(box[1] - box[0]), fill=False, edgecolor=INK, linestyle="--", zorder=11))
    axes["near"].set(xlim=box[:, 0], ylim=box[:, 1], title="the UEs, in the dashed box")
    _numbers(axes["near"], site, tracks, box)
    reports = _reports(axes["reports"], tracks, norm)
    gain_label, snr_label = "path gain of the serving AP in the twin [dB]", "reported SNR of an antenna port [dB]"
    figure.colorbar(gain, cax=axes["gain"], orientation="horizontal", label=gain_label)
    figure.colorbar(reports, cax=axes["snr"], orientation="horizontal", label=snr_label)
    return figure


def _surroundings(tracks: list[Track]) -> Array:
    """Lower left and upper right corner [2, 2] of a box round all tracks, half as wide again as high."""
    at = np.concatenate([track.position_m for track in tracks])
    low, high = at.min(0), at.max(0)
    height = max((high - low)[1], (high - low)[0] / 1.5, 20.0) + 10.0
    half = np.array([0.75, 0.5]) * height
    return np.stack([(low + high) / 2 - half, (low + high) / 2 + half])


def _track(axes: Axes, track: Track, width: float, norm: Normalize) -> None:
    at = track.position_m
    axes.plot(*at.T, color=INK, linewidth=width + 2, solid_capstyle="round", zorder=8)
    axes.plot(*at[-1:].T, "o", color=INK, markersize=width + 3, zorder=8)
    lines = LineCollection(
        list(np.stack([at[:-1], at[1:]], 1)), linewidths=width, capstyle="round", zorder=9, cmap=_CMAP, norm=norm
    )
    lines.set_array(track.snr_db[1:])
    axes.add_collection(lines)
    x, y = at[-1:].T
    axes.scatter(x, y, c=track.snr_db[-1:], s=(width + 1) ** 2, linewidths=0, zorder=9, cmap=_CMAP, norm=norm)


def _numbers(axes: Axes, site: SiteMap, tracks: list[Track], box: Array) -> None:
    """Number the tracks at their ends, clear of each other and of the APs."""
    step_m = 0.045 * (box[1] - box[0])[0]
    above = np.array([[-1.2, 1.1], [0.0, 1.1], [1.2, 1.1]]) * step_m
    names = np.where(np.sin(site.ground.ap_yaw_rad) > 0, -1.0, 1.0)[:, None, None] * above
    taken = [*site.ground.ap_m, *(site.ground.ap_m[:, None] + names).reshape(-1, 2)]
    for number, track in enumerate(tracks, start=1):
        if len(track.position_m):
            end = track.position_m[-1]
            taken.append(free_place(end, taken, step_m))
            axes.annotate(
                str(number),
                end,
                xytext=taken[-1],
                ha="center",
                va="center",
                fontsize=8.5,
                fontweight="bold",
                arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8},
                bbox={"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": INK, "linewidth": 0.8},
                zorder=10,
            )


def free_place(at: Array, taken: list[Array], step_m: float) -> Array:
    """The nearest place round `at` that keeps `step_m` clear of the `taken` ones."""
    angle = np.arange(8) * (np.pi / 4) + np.pi / 4
    around = np.stack([np.cos(angle), np.sin(angle)], -1)
    places = np.concatenate([at + radius * step_m * around for radius in (1.0, 1.5, 2.2, 3.0, 4.0)])
    distance_m = np.linalg.norm(places[:, None] - np.array(taken)[None], axis=-1).min(-1)
    return places[np.argmax(np.minimum(distance_m, step_m))]


def _reports(axes: Axes, tracks: list[Track], norm: Normalize) -> PathCollection:
    """A stroke for each report; returns those of one UE."""
    for row, track in enumerate(tracks):
        rows = np.full(len(track.time_s), row)
        points = axes.scatter(track.time_s, rows, c=track.snr_db, marker="|", s=80, cmap=_CMAP, norm=norm)
    axes.set_yticks(range(len(tracks)), [_row_name(i, track) for i, track in enumerate(tracks, start=1)])
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="time [s]", ylim=(len(tracks) - 0.4, -0.6), title="their reports, a stroke each")
    return points


def _row_name(number: int, track: Track) -> str:
    return f"{number}{track.speed_m_s:5.1f}".replace(" ", "\N{FIGURE SPACE}") + " m/s"
