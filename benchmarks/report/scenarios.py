"""Scenarios: what each stands for, by its file and the recipes of its sites; and what going by distance costs there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import COLOURS, OTHER, new_figure
from twin_envs.benchmarks.report.tables import load_figures, markdown_table
from twin_envs.envs.core.scenario import load_scenario, scenario_names
from twin_envs.world.atmosphere import specific_attenuation_db_m
from twin_envs.world.recipe import SiteRecipe, load_recipe, recipe_text

PLACES = {"street": "in the street", "uav": "80 m above"}
_COLOURS = {"street": "#e69f00", "uav": "#0072b2"}
_BARS = {
    "nearest": "random",
    "path-loss": "best-fixed",
    "strongest": "reference",
    "twin-gain": "twin",
    "twin-fused": "twin",
    "oracle": "oracle",
}
"""Policies that are drawn, and whose colour each has."""


def described() -> str:
    """The scenarios that ship, and what each is."""
    rows = [(f"`{name}`", load_scenario(name).description) for name in scenario_names()]
    return markdown_table(("scenario", "what it is"), rows)


def expanded() -> str:
    """What each scenario comes to for each family of decisions: its site, what is there, and its other options."""
    rows = []
    for name in scenario_names():
        scenario = load_scenario(name)
        for family in scenario.families:
            options = scenario.options(family)
            recipe = load_recipe(recipe_text(str(options.pop("site"))))
            said = ", ".join(f"`{option}={value!r}`" for option, value in options.items())
            rows.append((f"`{name}`", f"`{family}`", f"`{recipe.name}`", *_of_site(recipe), said))
    head = ("scenario", "decisions", "site", "carrier", "antennas of an AP", "lobe below the horizon", "near field to")
    return markdown_table((*head, "air takes", "UEs at", "options"), rows)


def _of_site(recipe: SiteRecipe) -> tuple[str, ...]:
    array, stack, air = recipe.array, recipe.stack, recipe.atmosphere
    wide, high = (array.columns - 1) * array.column_spacing, (array.rows - 1) * array.row_spacing
    near_m = 2 * (wide**2 + high**2) * recipe.wavelength_m
    of = f", each of {stack.elements} elements" if stack else ""
    down = sum(ap.downtilt_rad for ap in recipe.access_points) / len(recipe.access_points)
    return (
        f"{recipe.carrier_hz / 1e9:g} GHz",
        f"{array.rows} x {array.columns}{of}",
        f"{math.degrees(down + (stack.tilt_rad if stack else 0.0)):.0f}°",
        f"{near_m:.1f} m" if near_m < 10 else f"{near_m:.0f} m",
        f"{1e3 * specific_attenuation_db_m(recipe.carrier_hz, air):.2g} dB/km" if air else "not counted",
        f"{recipe.ue_height_m:g} m",
    )


def places() -> str:
    """How well the nearest access point serves UEs in the street and above it."""
    found = load_figures("twins-scenarios")["places"]
    rows = [
        (
            PLACES[place],
            f"{of_it['nearest_is_best']:.0%}",
            f"{of_it['elevation_deg']['nearest']:.0f}°, {of_it['elevation_deg']['best']:.0f}°",
            *(f"{of_it['mean_lost_db'][choice]:.1f} dB" for choice in ("nearest", "twin")),
        )
        for place, of_it in found.items()
    ]
    head = (
        "UEs",
        "nearest is best",
        "elevation from the nearest and the best",
        "nearest loses",
        "the twin's best loses",
    )
    return markdown_table(head, rows)


def returns() -> str:
    """What policies earn in the street and above it, and what they earn more than the nearest."""
    figures = load_figures("twins-scenarios")
    found = figures["places"]
    rows = [
        (
            f"`{name}`",
            *(
                text
                for of_it in found.values()
                for text in (f"{of_it['returns'][name]['mean']:.2f}", _margin(of_it["over_nearest"].get(name)))
            ),
        )
        for name in next(iter(found.values()))["returns"]
    ]
    head = [text for place in found for text in (PLACES[place], "over `nearest`")]
    return markdown_table(("policy", *head), rows)


def _margin(margin: dict[str, float] | None) -> str:
    return "" if margin is None else f"{margin['mean']:+.2f} ({margin['low']:+.2f} to {margin['high']:+.2f})"


def picture(figures: dict[str, Any]) -> Figure:
    """What the nearest access point loses by place, and what policies earn.

    Args:
        figures: of the study `scenarios` of `benchmarks.twins`.
    """
    figure = new_figure(10.4, 3.6)
    losses, *bars = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    found = figures["places"]
    for place, of_it in found.items():
        share = np.linspace(0, 1, len(of_it["lost_db"]["nearest"]))
        losses.plot(of_it["lost_db"]["nearest"], share, color=_COLOURS[place], label=f"nearest, {PLACES[place]}")
        losses.plot(of_it["lost_db"]["twin"], share, color=_COLOURS[place], linestyle=":", label="the twin's best")
    losses.set(xlabel="less gain than the best access point [dB]", ylabel="share of places", xlim=(0, 25), ylim=(0, 1))
    losses.legend(frameon=False, fontsize=8, loc="lower right")
    losses.grid(alpha=0.4)
    losses.spines[["top", "right"]].set_visible(False)
    for axes, (place, of_it) in zip(bars, found.items(), strict=True):
        _bars(axes, of_it["returns"], PLACES[place])
    return figure


def _bars(axes: Axes, earned: dict[str, dict[str, float]], place: str) -> None:
    names = list(_BARS)
    mean, low, high = (np.array([earned[name][end] for name in names]) for end in ("mean", "low", "high"))
    colours = [COLOURS.get(_BARS[name], OTHER) for name in names]
    axes.bar(names, mean, color=colours, yerr=np.stack([mean - low, high - mean]), capsize=3)
    axes.set_title(place)
    axes.set_ylabel("net spectral efficiency [bit/s/Hz]")
    axes.tick_params(axis="x", rotation=45)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.4)
