"""Channel estimates as a picture: errors against the SNR of pilots, by how sparse these are."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import new_figure
from twin_envs.benchmarks.report.tables import load_figures

_LINES = {
    "ls": ("#8a8f98", "-"),
    "lmmse-mean": ("#e69f00", "--"),
    "lmmse-1m": ("#e69f00", "-"),
    "pursuit": ("#009e73", "-"),
    "paths-net": ("#0072b2", "--"),
    "twin-net-1m": ("#0072b2", "-"),
    "twin-net-10m": ("#56b4e9", "-"),
    "twin-net-elsewhere": ("#56b4e9", ":"),
    "true-covariance": ("#000000", "-"),
}
"""Colour and style of each estimator that is drawn; dashed where it does not know the place."""


def figures() -> dict[str, Any]:
    """What the study said."""
    return load_figures("csi-estimation")


def picture(study: dict[str, Any]) -> Figure:
    """Errors in reality against SNR, a panel for each spacing of the pilots.

    Args:
        study: as `benchmarks.csi` writes it.
    """
    spacings = study["nmse_db"]
    figure = new_figure(2.9 * len(spacings), 3.8)
    panels = figure.subplots(1, len(spacings), sharey=True, squeeze=False)[0]
    for axes, (spacing, errors_db) in zip(panels, spacings.items(), strict=True):
        for name, (colour, line) in _LINES.items():
            axes.plot(study["snrs_db"], errors_db[name], color=colour, linestyle=line, linewidth=1.4, label=name)
        axes.set(title=f"a pilot in every {spacing} blocks" if spacing != "1" else "a pilot in every block")
        axes.set_xlabel("SNR of a pilot [dB]")
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="error of the estimate [dB]", ylim=(-46, 11))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_LINES), fontsize=7)
    return figure
