"""Independent checks of what the environments rest on: `python -m benchmarks.audit --json PATH`."""

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
from twin_envs.benchmarks.audit import (
    autocorrelation,
    block_errors,
    codebook_bits,
    continuity,
    estimation,
    knowledge,
    off_grid,
    resources,
    richness,
    sensing,
)
from twin_envs.benchmarks.suite.provenance import provenance, write_result

CHECKS: dict[str, Callable[[bool, int], dict[str, Any]]] = {
    "resources": resources.figures,
    "estimation": estimation.figures,
    "block_errors": block_errors.figures,
    "sensing": sensing.figures,
    "knowledge": knowledge.figures,
    "codebook_bits": codebook_bits.figures,
    "continuity": continuity.figures,
    "autocorrelation": autocorrelation.figures,
    "off_grid": off_grid.figures,
    "richness": richness.figures,
}
"""The checks by name; each takes whether it should be quick, and a seed, and says in its docstring what it returns."""


def main(
    quick: Annotated[bool, typer.Option("--quick", help="fewer points; a few minutes")] = False,
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    check: Annotated[list[str] | None, typer.Option(help=f"of {', '.join(CHECKS)}; by default all")] = None,
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/audit.json"),
) -> None:
    """Hold what the environments rest on against references that are not ours."""
    console = new_console()
    names = check or list(CHECKS)
    for name in names:
        check_choice("check", name, CHECKS)
    result = {}
    with progress(console) as report:
        for count, name in enumerate(names):
            report(name, count / len(names))
            result[name] = CHECKS[name](quick, seed)
    arguments = {"quick": quick, "check": check}
    write_result(json_path, "audit", result, provenance(arguments, seed=seed, device=choose_device("auto")))
    console.print(result)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
