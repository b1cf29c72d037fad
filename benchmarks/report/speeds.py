"""How the time of a step grows, and how many links others evaluate in a second."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import new_figure
from twin_envs.benchmarks.report.tables import load_figures, markdown_table

_AXES = {
    "step_ms_by_environments": "environments in the batch",
    "step_ms_by_ues": "UEs of a cell, batch 64",
}


def picture(scaling: dict[str, dict[str, float]]) -> Figure:
    """Milliseconds of a step by each of the sizes, beside what it would be if it grew in proportion to the largest."""
    figure = new_figure(7.2, 2.8)
    for number, (by, label) in enumerate(_AXES.items(), start=1):
        axes = figure.add_subplot(1, 2, number)
        sizes, taken = [int(size) for size in scaling[by]], list(scaling[by].values())
        axes.loglog(sizes, taken, marker="o", label="measured")
        axes.loglog(sizes, [taken[-1] * size / sizes[-1] for size in sizes], "--", color="0.6", label="in proportion")
        axes.set_xlabel(label)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_ylabel("ms a step")
        axes.legend(frameon=False)
    return figure


def peers() -> str:
    """Steps and links a second of other simulators and of this one."""
    found: dict[str, Any] = load_figures("peers")
    rows = [
        (
            f"{name} {told['version']}" if name in found["times_as_many_links"] else f"`{name.replace(', ', '`, ')}",
            f"{told['links_per_step']:,}",
            f"{told['steps_per_s']:,.0f}",
            f"{told['links_per_s']:,.0f}",
        )
        for name, told in found["simulators"].items()
    ]
    return markdown_table(("simulator", "links a step", "steps/s", "links/s"), rows)
