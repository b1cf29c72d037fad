"""What a recipe would build, as a picture and in figures, before a ray is traced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twin_envs.world.building.survey import Survey, in_reach, survey
from twin_envs.world.recipe import SiteRecipe, open_recipe


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a recipe would build.

    Attributes:
        recipe: what was asked for.
        survey: what the scene has room for.
        picture: path of the picture, if one was asked for.
    """

    recipe: SiteRecipe
    survey: Survey
    picture: Path | None

    @property
    def links(self) -> int:
        """Links that would be traced, of all worlds: those of each access point with the grid points in its reach."""
        return len(self.recipe.worlds) * sum(map(len, in_reach(self.recipe, self.survey.tensors["point_m"])))


def preview(name: str, picture: Path | None = None) -> Preview:
    """Check a recipe against its scene and, if asked to, draw its map, APs and the ways that UEs take.

    Args:
        name: name of a shipped recipe, or path of a recipe of one's own, `.toml`.
        picture: where the picture goes, `.png`.

    Raises:
        ConfigurationError: the recipe cannot be built; the message says why, and what would do.
        DependencyMissing: this machine cannot trace rays.
    """
    _, recipe = open_recipe(name)
    found = survey(recipe)
    if picture:
        _draw(recipe, found, picture)
    return Preview(recipe=recipe, survey=found, picture=picture)


def _draw(recipe: SiteRecipe, found: Survey, picture: Path) -> None:
    figure = Figure(figsize=(8, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x0, y0, x1, y1 = recipe.area_m
    height_m = np.ma.masked_less(found.tensors["height_m"].astype(float), 0.5)
    shown = axes.imshow(height_m, extent=(x0, x1, y0, y1), origin="lower", cmap="YlOrBr", vmin=0)
    figure.colorbar(shown, ax=axes, label="height above the ground [m]", shrink=0.7)
    tensors = found.tensors
    if "ground_m" in tensors and np.ptp(tensors["ground_m"]) > 0:
        lines = axes.contour(tensors["ground_m"], extent=(x0, x1, y0, y1), colors="0.6", linewidths=0.8)
        axes.clabel(lines, fmt="%g m", fontsize=7)
    names = ("walking route", "driving route")
    for kind, colour in enumerate(("tab:green", "tab:blue")):
        of_kind = np.flatnonzero(tensors["route_kind"] == kind)
        for number, route in enumerate(of_kind):
            line = tensors["route_points_cm"][route, : int(tensors["route_length_m"][route]) + 1] / 100
            axes.plot(*line.T, color=colour, linewidth=0.6, alpha=0.5, label=None if number else names[kind])
    for ap in recipe.access_points:
        x, y, _ = ap.position_m
        axes.plot(x, y, "^", color="tab:red", markersize=9)
        axes.annotate(
            "",
            (x + 12 * np.cos(ap.yaw_rad), y + 12 * np.sin(ap.yaw_rad)),
            (x, y),
            arrowprops={"color": "tab:red", "arrowstyle": "->"},
        )
        axes.annotate(
            f"{ap.name}: sees {100 * found.line_of_sight[ap.name]:.0f} %",
            (x, y),
            xytext=(5, 6),
            textcoords="offset points",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.15", "color": "white", "alpha": 0.7},
        )
    axes.set(xlabel="x [m]", ylabel="y [m]", xlim=(x0, x1), ylim=(y0, y1), title=recipe.name, aspect="equal")
    if len(tensors["route_kind"]):
        axes.legend(loc="lower right", fontsize=8)
    figure.savefig(picture, dpi=120)
