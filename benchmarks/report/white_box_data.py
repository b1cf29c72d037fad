"""The study of less, beside the white-box study: a picture and tables."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import new_figure
from twin_envs.benchmarks.report.tables import load_figures, markdown_table

_STREETS = {"seen": "streets of the samples", "held_out": "streets without samples"}
_ARMS = {
    "uniform": ("#8a8f98", "anywhere in the open"),
    "walkable": ("#e69f00", "walking routes"),
    "hot spots": ("#000000", "as users are"),
    "other hot spots": ("#d55e00", "hot spots elsewhere"),
}
"""Colour and name of positions that are known or supposed."""
_FIXES = ("#56b4e9", "#0072b2")
_PLACES = {"none": ("#8a8f98", "nothing"), "shifts": ("#e69f00", "beams turned"), "phases": ("#0072b2", "new phases")}
"""Colour and name of augmentations."""
_LINES = {"seen": "-", "held_out": "--"}


def figures() -> dict[str, Any]:
    """What the study said."""
    return load_figures("csi-white-box-data")


def picture(study: dict[str, Any]) -> Figure:
    """Errors in reality by positions, by paths and by places.

    Args:
        study: as `benchmarks.csi` writes it; the standard deviation over seeds is drawn as a bar.
    """
    figure = new_figure(10.4, 4.2)
    positions, paths, places = figure.subplots(1, 3)
    about = study["positions"]
    for arm, (colour, name) in _named(about).items():
        _line(positions, about, ("hot spots", "seen", arm), colour, name)
    _ticks(positions, [f"{real:,}" for real in about["real"]], "real samples beside the twin's")
    positions.set(title="positions; users at hot spots", ylabel="NMSE in reality, unit norm [dB]")
    about = study["paths"]
    for streets, line in _LINES.items():
        _line(paths, about, (streets,), "#0072b2", _STREETS[streets], line)
    _ticks(paths, about["paths"], "paths left in the twin's samples")
    paths.set(title="fewer paths")
    about = study["places"]
    for how, (colour, name) in _PLACES.items():
        _line(places, about, ("seen", how), colour, name)
    places.axhline(study["paths"]["nmse_db"]["seen"][-1], color="#000000", linewidth=0.9, label="all places")
    _ticks(places, [f"{count:,}" for count in about["places"]], "places in the twin")
    places.margins(y=0.08)
    places.set(title="few places, many samples")
    for axes in (positions, paths, places):
        axes.grid(axis="y", alpha=0.4)
        axes.legend(fontsize=7)
    return figure


def positions() -> str:
    """Errors by where positions in the twin were drawn, with the standard deviation over seeds."""
    study = figures()["positions"]
    columns = [("hot spots", "seen", number) for number in range(len(study["real"]))]
    columns += [(users, "seen", 0) for users in ("walkable", "uniform")] + [("hot spots", "held_out", 0)]
    rows = [
        (
            name,
            f"{study['overlap'][arm]:.2f}",
            *(_cell(study, (users, streets, arm), number) for users, streets, number in columns),
        )
        for arm, (_, name) in _named(study).items()
    ]
    more = [f"hot spots, {real:,} real samples" for real in study["real"][1:]]
    users = ["hot spots", *more, "walking routes", "anywhere", "hot spots on streets without samples"]
    return markdown_table(("positions in the twin", "in common with users", *users), rows)


def paths() -> str:
    """Errors by how many of a link's paths the twin's samples have."""
    study = figures()["paths"]
    numbers = range(len(study["paths"]))
    rows = [("share of power", *(f"{share:.3f}" for share in study["power"]))]
    rows += [(name, *(_cell(study, (streets,), number) for number in numbers)) for streets, name in _STREETS.items()]
    return markdown_table(("paths left", *study["paths"]), rows)


def places() -> str:
    """Errors by from how many places samples are, and how more of them are made."""
    study = figures()["places"]
    rows = [
        (name, _STREETS[streets], *(_cell(study, (streets, how), n) for n in range(len(study["places"]))))
        for streets in _STREETS
        for how, (_, name) in _PLACES.items()
    ]
    return markdown_table(("augmented by", "NMSE [dB]", *(f"{count:,} places" for count in study["places"])), rows)


def _named(study: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Colour and name of each arm of positions, in the order of the study."""
    learnt = {arm: (colour, f"GNSS {arm} UEs") for arm, colour in zip(study["fixes"], _FIXES, strict=False)}
    return {arm: (_ARMS | learnt)[arm] for arm in study["overlap"]}


def _cell(study: dict[str, Any], keys: tuple[str, ...], number: int) -> str:
    mean, spread = (_at(study[name], keys)[number] for name in ("nmse_db", "spread_db"))
    return f"{mean:.1f} ± {spread:.1f}"


def _at(figures: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        figures = figures[key]
    return figures


def _line(axes: Axes, study: dict[str, Any], keys: tuple[str, ...], colour: str, label: str, line: str = "-") -> None:
    errors_db, spread_db = (_at(study[name], keys) for name in ("nmse_db", "spread_db"))
    axes.errorbar(
        range(len(errors_db)),
        errors_db,
        yerr=spread_db,
        color=colour,
        linestyle=line,
        marker="o",
        markersize=3.5,
        elinewidth=0.8,
        label=label,
    )


def _ticks(axes: Axes, labels: list[str], said: str) -> None:
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel(said)
