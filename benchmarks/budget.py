"""How each decision fares against its budget: `python -m benchmarks.budget --env FeedbackInterval`.

What the twin is worth depends on how scarce the thing is that is decided about. Here every contender meets more and
less of it: the uplink's share for CSI, the UEs that an AP may serve, the time between two changes of beam, the time
that a twin takes to answer. As in `benchmarks.decisions`, rules and fixed choices are tuned anew for every value, on
training seeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.errors import check_choice
from twin_envs.base.progress import TellProgress, progress
from twin_envs.benchmarks import decisions
from twin_envs.benchmarks.suite.provenance import provenance, write_result

_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BUDGETS: dict[str, tuple[str, tuple[Any, ...]]] = {
    **dict.fromkeys(
        ("FeedbackInterval", "PilotDensity", "CsiProtocol", "ReportScheduling"), ("csi_uplink_share", _SHARES)
    ),
    **dict.fromkeys(("ApAssociation", "ApSelection"), ("ap_load", (2, 3, 4, 6, 8))),
    "BeamSelection": ("cycle_slots", (2_560, 5_120, 10_240, 20_480, 40_960)),
    "TwinFidelity": ("latency_scale", (0.1, 0.2, 0.33, 0.66, 1.0)),
}
"""The option that is each environment's budget, and its values."""
_QUICK_VALUES = 2
"""Every so many values are tried in quick runs, from the first."""
BUDGET = decisions.Budget(episodes=32, training_episodes=48, fixed_shown=1, studies=None)
QUICK = dataclasses.replace(BUDGET, episodes=6, training_episodes=2)


def measure(
    env: str, budget: decisions.Budget, values: Sequence[Any], seed: int, options: dict[str, Any], report: TellProgress
) -> dict[str, Any]:
    """How an environment's contenders fare at each value of its budget.

    Args:
        env: one of `BUDGETS`.
        budget: how much is computed.
        values: of the option that is the budget.
        seed: chooses the training and evaluation seeds.
        options: further ones of the environment.
        report: called with what is being done and the share of it that is.

    Returns:
        `option`, its `values` in the order of `points`; of each point `policies` (mean return and interval),
        `headroom`, `best_twin`, `reference`, `twin_margins`: by how much the best twin policy beats the others, with
        interval, and `link` (see `figures.link`).
    """
    option, _ = BUDGETS[env]
    points = []
    for value in values:
        at = partial(_told, report, f"{env}, {option} {value}")
        result, *_ = decisions.run(env, budget, seed, {**options, option: value}, [], at)
        kept = {key: result[key] for key in ("policies", "headroom", "twin_margins", "link")}
        points.append(kept | {key: result["roles"][key] for key in ("best_twin", "reference")})
    return {"option": option, "values": list(values), "episodes": budget.episodes, "options": options, "points": points}


def _told(report: TellProgress, where: str, what: str, share: float, detail: str = "", /) -> None:
    report(f"{where}: {what}", share, detail)


def show(console: Console, env: str, result: dict[str, Any]) -> None:
    """Print a table: a line for each value."""
    names = list(result["points"][0]["policies"])
    shown = [name for name in ("random", "best-fixed", result["points"][0]["reference"], "oracle") if name in names]
    table = new_table(result["option"], *dict.fromkeys(shown), "best twin", "headroom", title=env, numbers=True)
    for value, point in zip(result["values"], result["points"], strict=True):
        means = [f"{point['policies'][name]['mean']:.3f}" for name in dict.fromkeys(shown)]
        twin = point["best_twin"]
        table.add_row(
            str(value),
            *means,
            f"{point['policies'][twin]['mean']:.3f}" if twin else "-",
            "-" if point["headroom"] is None else f"{point['headroom']:.1%}",
        )
    console.print(table)


def main(
    env: Annotated[list[str] | None, typer.Option(help=f"of {', '.join(BUDGETS)}; by default all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="few values and episodes; proves little")] = False,
    seed: Annotated[int, typer.Option(help="chooses training and evaluation seeds, 0 or more")] = 0,
    options: Annotated[str, typer.Option(help="further options of the environments, as JSON")] = "{}",
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/budget.json"),
) -> None:
    """Compare policies on paired episodes at every value of each environment's budget."""
    names, console, result = env or list(BUDGETS), new_console(), {}
    for name in names:
        check_choice("env", name, BUDGETS)
    settings = parse_json_object("options", options)
    with progress(console) as report:
        for name in names:
            values = BUDGETS[name][1][:: _QUICK_VALUES if quick else 1]
            result[name] = measure(name, QUICK if quick else BUDGET, values, seed, settings, report)
    arguments = {"env": env, "quick": quick, "options": options}
    write_result(json_path, "budget", result, provenance(arguments, seed=seed, device=choose_device("auto")))
    for name in names:
        show(console, name, result[name])
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
