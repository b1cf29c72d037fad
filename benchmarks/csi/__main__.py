"""What the twin is worth to CSI networks: `python -m benchmarks.csi --study NAME --json PATH`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console
from twin_envs.base.device import choose_device
from twin_envs.base.errors import check_choice
from twin_envs.base.progress import progress
from twin_envs.benchmarks.csi import estimation, path_net, prediction
from twin_envs.benchmarks.csi.estimation_net import study as estimation_net
from twin_envs.benchmarks.csi.prediction_net import study as prediction_net
from twin_envs.benchmarks.csi.semi_black_box import study as semi_black_box
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.benchmarks.csi.white_box import study as white_box
from twin_envs.benchmarks.csi.white_box_data import study as white_box_data
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.world.store.site import load_site

STUDIES: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "estimation": lambda setting: estimation.figures(setting.site, setting.quick, setting.seed),
    "estimation-net": estimation_net.figures,
    "path-net": path_net.figures,
    "prediction": lambda setting: prediction.figures(setting.site, setting.quick, setting.seed),
    "prediction-net": prediction_net.figures,
    "semi-black-box": semi_black_box.figures,
    "white-box": white_box.figures,
    "white-box-data": white_box_data.figures,
}
"""The studies by name; each says in its docstring what it returns."""


def main(
    study: Annotated[str, typer.Option(help=f"one of {', '.join(STUDIES)}")],
    quick: Annotated[bool, typer.Option("--quick", help="fewer links; a few minutes")] = False,
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    site: Annotated[str, typer.Option(help="name or folder of a site")] = "munich",
    elsewhere: Annotated[str, typer.Option(help="a site that stands for another city")] = "florence",
    device: Annotated[str, typer.Option(help="where to compute")] = "auto",
    run: Annotated[Path | None, typer.Option(help="what is finished of a long study; by default under runs/")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="result; by default under runs/")] = None,
) -> None:
    """Run a study and write its figures; one that was interrupted goes on with the same command."""
    console, chosen = new_console(), choose_device(device)
    check_choice("study", study, STUDIES)
    path = json_path or Path("runs") / f"csi-{study}.json"
    with progress(console) as report:
        setting = Setting(
            site=load_site(site, chosen),
            elsewhere=elsewhere,
            quick=quick,
            seed=seed,
            run=run or Path("runs") / f"csi-{study}{'-quick' if quick else ''}",
            report=report,
        )
        figures = STUDIES[study](setting)
    arguments = {"study": study, "quick": quick, "site": site, "elsewhere": elsewhere}
    write_result(path, "csi", figures, provenance(arguments, seed=seed, device=chosen))
    console.print(figures)
    console.print(f"wrote {path}")


if __name__ == "__main__":
    run_command(main)
