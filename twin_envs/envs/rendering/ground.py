"""How pictures look, and the ground they show: a site's buildings, its APs, and the gain that the twin expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from twin_envs.base.units import linear_to_db
from twin_envs.world.store.site import Site

Array = np.ndarray[Any, Any]

INK, QUIET, FAINT = "#1b1f24", "#6b7280", "#d5d9de"
_STYLE: Any = {
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
_STREET = "#f4f5f6"
_RANGE_DB = 70.0
"""From the weakest gain that has a colour to the strongest."""
_LOWEST_BUILDING_M = 0.5


@contextmanager
def style() -> Iterator[None]:
    """Figures made and saved within look the same."""
    with matplotlib.rc_context(rc=_STYLE):
        yield


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is drawn of a site; all of it the network knows.

    Attributes:
        area_m: corners (x0, y0, x1, y1).
        height_m: of the highest surface, on a raster over the area [ny, nx].
        ap_names, ap_m, ap_yaw_rad: names, positions [A, 2] and boresights [A] of the APs.
        serving: indices of the APs that serve.
        gain_db: of the strongest serving AP in the twin, on a raster over the area [ny, nx]; NaN where there is no
            street or no path.
        strongest_db: the gain with the strongest colour.
    """

    area_m: tuple[float, float, float, float]
    height_m: Array
    ap_names: list[str]
    ap_m: Array
    ap_yaw_rad: Array
    serving: tuple[int, ...]
    gain_db: Array
    strongest_db: float


def ground(site: Site, twin: str, serving: Sequence[int]) -> Ground:
    """The ground of `site` as its twin world `twin` knows it, with the gain of the APs `serving`."""
    recipe, geometry = site.recipe, site.geometry
    gain = site.twin(twin).gain
    cell_of = geometry.cell_of.cpu().numpy()
    expected = gain[list(serving)].amax(0).cpu().double().numpy()[cell_of]
    best_db = linear_to_db(gain.amax(0)).cpu().numpy()
    return Ground(
        area_m=recipe.area_m,
        height_m=site.height_m.cpu().numpy(),
        ap_names=[ap.name for ap in recipe.access_points],
        ap_m=np.array([ap.position_m[:2] for ap in recipe.access_points]),
        ap_yaw_rad=np.array([ap.yaw_rad for ap in recipe.access_points]),
        serving=tuple(serving),
        gain_db=np.where((cell_of >= 0) & (expected > 0), 10 * np.log10(np.maximum(expected, 1e-20)), np.nan),
        strongest_db=float(10 * np.ceil(np.percentile(best_db, 99) / 10)),
    )


def draw_ground(axes: Axes, shown: Ground) -> AxesImage:
    """Buildings in grey, and the gain in colour on the streets; returns the image of the gain, for a colour bar."""
    weakest_db = shown.strongest_db - _RANGE_DB
    gain_db = np.where(shown.gain_db > weakest_db, shown.gain_db, np.nan)
    axes.set_facecolor(_STREET)
    image = axes.imshow(
        gain_db, **_place(shown, gain_db), cmap="GnBu", vmin=weakest_db, vmax=shown.strongest_db, zorder=0
    )
    built = shown.height_m > _LOWEST_BUILDING_M
    buildings = np.where(built, shown.height_m, np.nan)
    axes.imshow(buildings, **_place(shown, buildings), cmap="Greys", vmin=-15.0, vmax=70.0, zorder=1)
    x0, y0, x1, y1 = shown.area_m
    x_m, y_m = np.linspace(x0, x1, built.shape[1]), np.linspace(y0, y1, built.shape[0])
    if built.any():
        axes.contour(x_m, y_m, built.astype(float), levels=[0.5], colors=[QUIET], linewidths=0.6, zorder=2)
    return image


def _place(shown: Ground, raster: Array) -> dict[str, Any]:
    """Where `imshow` puts a raster whose outermost cells have their centres on the area's edges."""
    x0, y0, x1, y1 = shown.area_m
    half_x, half_y = (x1 - x0) / (raster.shape[1] - 1) / 2, (y1 - y0) / (raster.shape[0] - 1) / 2
    return {"origin": "lower", "extent": (x0 - half_x, x1 + half_x, y0 - half_y, y1 + half_y), "aspect": "equal"}


def draw_access_points(axes: Axes, shown: Ground) -> None:
    """Triangles with their names and arrows along their boresights; those that serve are large and red."""
    for index, (name, at, yaw_rad) in enumerate(zip(shown.ap_names, shown.ap_m, shown.ap_yaw_rad, strict=True)):
        serving = index in shown.serving
        colour, size = ("#b3001b", 10) if serving else (INK, 7)
        ahead = np.array([np.cos(yaw_rad), np.sin(yaw_rad)])
        arrow = axes.annotate(
            "",
            at,
            tuple(26 * ahead),
            textcoords="offset points",
            arrowprops={"arrowstyle": "<|-", "color": colour, "linewidth": 0.15 * size, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=True,
            zorder=5,
        )
        if arrow.arrow_patch is not None:
            arrow.arrow_patch.set_clip_path(axes.patch)
        axes.plot(*at, "^", color=colour, markersize=size, markeredgecolor="white", zorder=6)
        axes.annotate(
            name,
            at,
            xytext=(0, -13 if ahead[1] > 0 else 13),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            fontweight="bold" if serving else "normal",
            color=colour,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
            annotation_clip=True,
            clip_on=True,
            zorder=7,
        )
