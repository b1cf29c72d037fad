"""The white-box study as a picture and as tables."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from twin_envs.benchmarks.report.drawing import new_figure
from twin_envs.benchmarks.report.tables import load_figures, markdown_table

TITLES = {"seen": "new places on the streets of the samples", "held_out": "streets without samples"}
"""By what networks are scored on."""
_LINES = {
    "generic": ("#8a8f98", "-"),
    "twin": ("#0072b2", "-"),
    "real": ("#000000", "-"),
    "random": ("#e69f00", "--"),
    "random, rehearsal": ("#e69f00", "-"),
    "worst": ("#d55e00", "--"),
    "worst, rehearsal": ("#d55e00", "-"),
    "farthest, rehearsal": ("#cc79a7", "-"),
    "missing, rehearsal": ("#009e73", "-"),
}
"""Colour and style of each arm: one colour for each rule, dashed without rehearsal."""


def figures() -> dict[str, Any]:
    """What the study said."""
    return load_figures("csi-white-box")


def picture(study: dict[str, Any]) -> Figure:
    """Errors in reality against the number of samples, a panel for either kind of streets.

    Args:
        study: as `benchmarks.csi` writes it; the standard deviation over seeds is drawn as a bar.
    """
    figure = new_figure(10.4, 4.4)
    panels = figure.subplots(1, len(TITLES))
    for axes, (streets, title) in zip(panels, TITLES.items(), strict=True):
        for arm, errors_db in study["nmse_db"][streets].items():
            colour, line = _LINES[arm]
            spread = study["spread_db"][streets][arm]
            axes.errorbar(
                study["samples"],
                errors_db,
                yerr=spread,
                color=colour,
                linestyle=line,
                marker="o",
                markersize=3.5,
                elinewidth=0.8,
                label=arm,
            )
        axes.set_xscale("log")
        axes.xaxis.set(major_locator=FixedLocator(study["samples"]), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.tick_params(axis="x", labelsize=7)
        axes.set(xlabel="samples N", title=title)
        axes.grid(axis="y", alpha=0.4)
    panels[0].set_ylabel("NMSE in reality, unit norm [dB]")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside right upper")
    return figure


def errors(streets: str) -> str:
    """Errors by arm and number of samples, with the standard deviation over seeds."""
    study = figures()
    rows = [
        (arm, *(f"{mean:.1f} ± {std:.1f}" for mean, std in zip(means, study["spread_db"][streets][arm], strict=True)))
        for arm, means in study["nmse_db"][streets].items()
    ]
    return markdown_table((f"NMSE [dB], {TITLES[streets]}", *(f"N = {n:,}" for n in study["samples"])), rows)


def equivalents() -> str:
    """How many real samples without a twin do as well, on the streets of the samples."""
    study = figures()
    most = f"more than {study['samples'][-1]:,}"
    rows = [
        (arm, *(most if count is None else "fewer than 10" if count == 0 else f"{count:,.0f}" for count in counts))
        for arm, counts in study["equivalent_real_samples"]["seen"].items()
    ]
    return markdown_table(("as good as so many real samples alone", *(f"N = {n:,}" for n in study["samples"])), rows)
