"""The study of codecs written from maps, as a picture and as a table."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import new_figure
from twin_envs.benchmarks.report.tables import load_figures, markdown_table

WORLDS = {"twin": "in the twin", "reality": "in reality"}
_COLOURS = {"shuffled": "#c8ccd2", "online": "#e69f00", "per scene": "#000000", "scene-agnostic": "#8a8f98"}
_OURS = "#0072b2"


def figures() -> dict[str, Any]:
    """What the study said."""
    return load_figures("csi-semi-black-box")


def picture(study: dict[str, Any]) -> Figure:
    """By how many decibels each arm is better than the scene-agnostic codec on held-out scenes, a panel for each world.

    Args:
        study: as `benchmarks.csi` writes it.
    """
    figure = new_figure(10.4, 4.4)
    panels = figure.subplots(1, len(WORLDS), sharey=True)
    for axes, (world, title) in zip(panels, WORLDS.items(), strict=True):
        gains = study["gain_db"][world]
        colours = [next((c for word, c in _COLOURS.items() if word in arm), _OURS) for arm in gains]
        axes.barh(list(gains), list(gains.values()), color=colours)
        axes.axvline(0, color="#000000", linewidth=0.8)
        axes.set(xlabel="better than the scene-agnostic codec by [dB]", title=title)
        axes.grid(axis="x", alpha=0.4)
    panels[0].invert_yaxis()
    return figure


def errors() -> str:
    """Error of each arm on held-out scenes, and for which share of access points it beats the scene-agnostic codec."""
    study = figures()
    rows = [
        (
            arm,
            *(
                cell
                for world in WORLDS
                for cell in (
                    f"{study['nmse_db'][world][arm]:.1f}",
                    f"{study['gain_db'][world][arm]:+.1f}",
                    f"{study['better_share'][world][arm]:.0%}",
                )
            ),
        )
        for arm in study["nmse_db"]["twin"]
    ]
    head = [f"{what}, {title}" for title in WORLDS.values() for what in ("NMSE [dB]", "gain [dB]", "better for")]
    return markdown_table(("codec", *head), rows)


def sizes() -> str:
    """Numbers in the codec and in what writes its weights."""
    return markdown_table(("network", "weights"), [(k, f"{v:,}") for k, v in figures()["parameters"].items()])
