"""The map of a site with an episode on it: buildings, APs, the serving gain in the twin, and where UEs reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from agents.environments import make_envs
from agents.policies import Array, Policy, State
from agents.twin_policies import TwinPlanner
from benchmarks.drawing import INK, QUIET, new_figure
from benchmarks.rollout import evaluate
from twin_envs.envs.observation import CSI_LAYOUT
from twin_envs.envs.vector import CellVectorEnv

EPISODE_SLOTS = 6000
"""Length of the episode that is drawn: at walking pace the usual one would be a dot on the map."""
_WEAKEST_DB = -130.0


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
        area_m: corners (x0, y0, x1, y1).
        height_m: of the highest surface, on a raster over the area [ny, nx].
        ap_names, ap_m, ap_yaw_rad: names, positions [A, 2] and boresights [A] of the APs.
        serving: index of the cell's AP.
        gain_db: of the serving AP in the twin, on a raster over the area [ny, nx]; NaN where there is no street.
        tracks: of the cell's UEs.
        codec_scores: of the codec in twin and reality, as its training measured them.
        source, licence: of the scene.
    """

    name: str
    area_m: tuple[float, float, float, float]
    height_m: Array
    ap_names: list[str]
    ap_m: Array
    ap_yaw_rad: Array
    serving: int
    gain_db: Array
    tracks: list[Track]
    codec_scores: dict[str, dict[str, dict[str, float]]]
    source: str
    licence: str


def collect(env: str, options: dict[str, Any], seed: int) -> SiteMap:
    """Run one episode of `EPISODE_SLOTS` with walkers and vehicles under the twin's planner, and keep what is drawn.

    Args:
        env: name of the environment.
        options: of the environment; population and length are replaced.
        seed: of the episode.
    """
    envs = make_envs(env, 1, **{**options, "population": "mixed", "episode_slots": EPISODE_SLOTS})
    recorder = _Recorder(TwinPlanner())
    serving = int(evaluate(recorder, envs, [seed]).ap[0])
    site, config = envs.cell.site, envs.cell.config
    recipe, geometry = site.recipe, site.geometry
    gain = site.twin(config.twin).gain[serving].cpu().double().numpy()
    cell_of = geometry.cell_of.cpu().numpy()
    gain_db = 10 * np.log10(np.maximum(gain[cell_of], 1e-20))
    return SiteMap(
        name=recipe.name,
        area_m=recipe.area_m,
        height_m=site.height_m.numpy(),
        ap_names=[ap.name for ap in recipe.access_points],
        ap_m=np.array([ap.position_m[:2] for ap in recipe.access_points]),
        ap_yaw_rad=np.array([ap.yaw_rad for ap in recipe.access_points]),
        serving=serving,
        gain_db=np.where(cell_of >= 0, gain_db, np.nan),
        tracks=recorder.tracks(config.num_ue, envs.cell.slot_s),
        codec_scores=site.manifest["files"][f"codec-{config.codec}.safetensors"]["scores"],
        source=recipe.scene_source,
        licence=recipe.scene_licence,
    )


class _Recorder:
    """A policy that another one decides for, and that remembers who reported when, where and how strongly."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.seen: list[tuple[int, int, Array, float, float]] = []

    def attach(self, envs: CellVectorEnv) -> None:
        self.known = envs.cell.known
        self.policy.attach(envs)

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        ue = int(self.known.reporter[0])
        snr_db, speed_m_s = (float(CSI_LAYOUT.value(observation, name)[0]) for name in ("snr", "speed"))
        position_m = self.known.sensing.position[0, ue].cpu().numpy().copy()
        self.seen.append((ue, int(self.known.now_slots[0]), position_m, snr_db, speed_m_s))
        return self.policy.predict(observation, state, episode_start, deterministic)

    def tracks(self, num_ue: int, slot_s: float) -> list[Track]:
        found = []
        for ue in range(num_ue):
            mine = [entry[1:] for entry in self.seen if entry[0] == ue]
            slots, position_m, snr_db, speed_m_s = ([entry[i] for entry in mine] for i in range(4))
            found.append(
                Track(
                    time_s=np.array(slots, dtype=float) * slot_s,
                    position_m=np.array(position_m, dtype=float).reshape(-1, 2),
                    snr_db=np.array(snr_db, dtype=float),
                    speed_m_s=float(np.mean(speed_m_s)) if mine else 0.0,
                )
            )
        return found


def draw(site: SiteMap) -> Figure:
    """The map, and beside it when each UE reported, from the slowest to the fastest."""
    figure = new_figure(11.0, 6.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.75, 1.0))
    order = np.argsort([track.speed_m_s for track in site.tracks], kind="stable")
    tracks = [site.tracks[index] for index in order]
    snr = np.concatenate([track.snr_db for track in tracks])
    colours = {"cmap": "plasma", "norm": Normalize(float(snr.min()) - 1.0, float(snr.max()) + 1.0)}
    _background(figure, left, site)
    _access_points(left, site)
    _tracks(left, tracks, colours)
    _limits(left, site)
    points = _reports(right, tracks, colours)
    figure.colorbar(
        points, ax=right, label="reported SNR of an antenna port [dB]", location="bottom", shrink=0.9, aspect=30
    )
    return figure


def _background(figure: Figure, axes: Axes, site: SiteMap) -> None:
    x0, y0, x1, y1 = site.area_m
    gain_db = np.where(site.gain_db > _WEAKEST_DB, site.gain_db, np.nan)
    axes.set_facecolor("#f4f5f6")
    image = axes.imshow(gain_db, **_place(site, gain_db), cmap="GnBu", vmin=_WEAKEST_DB, vmax=-60.0, zorder=0)
    buildings = np.where(site.height_m > 0.5, site.height_m, np.nan)
    axes.imshow(buildings, **_place(site, buildings), cmap="Greys", vmin=-15.0, vmax=70.0, zorder=1)
    axes.contour(
        np.linspace(x0, x1, site.height_m.shape[1]),
        np.linspace(y0, y1, site.height_m.shape[0]),
        (site.height_m > 0.5).astype(float),
        levels=[0.5],
        colors=[QUIET],
        linewidths=0.6,
        zorder=2,
    )
    axes.set(xlabel="x [m]", ylabel="y [m]", aspect="equal")
    figure.colorbar(
        image, ax=axes, label="path gain of the serving AP in the twin [dB]", location="bottom", shrink=0.75, aspect=40
    )


def _limits(axes: Axes, site: SiteMap) -> None:
    """Show the whole area, and where the network believed UEs to be beyond it."""
    corners = np.reshape(site.area_m, (2, 2))
    shown = np.concatenate([corners, *(np.concatenate([t.position_m - 3, t.position_m + 3]) for t in site.tracks)])
    (x0, y0), (x1, y1) = shown.min(0), shown.max(0)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))


def _place(site: SiteMap, raster: Array) -> dict[str, Any]:
    """Where `imshow` puts a raster whose outermost cells have their centres on the area's edges."""
    x0, y0, x1, y1 = site.area_m
    half_x, half_y = (x1 - x0) / (raster.shape[1] - 1) / 2, (y1 - y0) / (raster.shape[0] - 1) / 2
    return {"origin": "lower", "extent": (x0 - half_x, x1 + half_x, y0 - half_y, y1 + half_y)}


def _access_points(axes: Axes, site: SiteMap) -> None:
    for index, (name, (x, y), yaw) in enumerate(zip(site.ap_names, site.ap_m, site.ap_yaw_rad)):
        serving = index == site.serving
        colour = "#b3001b" if serving else INK
        tip = (x + 14 * np.cos(yaw), y + 14 * np.sin(yaw))
        axes.annotate(
            "",
            tip,
            (x, y),
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6 if serving else 1.0},
            zorder=5,
        )
        axes.plot(x, y, "^", color=colour, markersize=10 if serving else 7, markeredgecolor="white", zorder=6)
        axes.annotate(
            name,
            (x, y),
            xytext=(0, -7 if np.sin(yaw) > 0 else 7),
            textcoords="offset points",
            ha="center",
            va="top" if np.sin(yaw) > 0 else "bottom",
            fontsize=7.5,
            fontweight="bold" if serving else "normal",
            color=colour,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
            zorder=7,
        )


def _tracks(axes: Axes, tracks: list[Track], colours: dict[str, Any]) -> None:
    for number, track in enumerate(tracks, start=1):
        at = track.position_m
        if not len(at):
            continue
        axes.plot(*at.T, color=INK, linewidth=5.5, solid_capstyle="round", zorder=8)
        axes.plot(*at[0], "o", color=INK, markersize=6.5, zorder=8)
        lines = LineCollection(np.stack([at[:-1], at[1:]], 1), linewidths=3.5, capstyle="round", zorder=9, **colours)
        lines.set_array(track.snr_db[1:])
        axes.add_collection(lines)
        axes.scatter(*at[:1].T, c=track.snr_db[:1], s=16, zorder=9, **colours)
        axes.annotate(
            str(number),
            at[-1],
            xytext=(8, 8),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            fontweight="bold",
            bbox={"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": INK, "linewidth": 0.8},
            zorder=10,
        )


def _reports(axes: Axes, tracks: list[Track], colours: dict[str, Any]) -> Any:
    points = None
    for row, track in enumerate(tracks):
        points = axes.scatter(
            track.time_s, np.full(len(track.time_s), row), c=track.snr_db, marker="|", s=110, **colours
        )
    axes.set_yticks(range(len(tracks)), [_row_name(i, track) for i, track in enumerate(tracks, start=1)])
    axes.tick_params(axis="y", length=0)
    axes.set_title("each stroke is a report")
    axes.set(xlabel="time [s]", ylabel="UE and its sensed speed", ylim=(len(tracks) - 0.4, -0.6))
    return points


def _row_name(number: int, track: Track) -> str:
    return f"{number}{track.speed_m_s:6.1f}".replace(" ", "\N{FIGURE SPACE}") + " m/s"
