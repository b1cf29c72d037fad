"""What channel twins know where nothing was measured: `python -m benchmarks.twins`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.settings import lasting
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.benchmarks.twins.association import association
from twin_envs.benchmarks.twins.coverage import coverage, queries_per_second
from twin_envs.benchmarks.twins.splits import SPLITS, random_places
from twin_envs.world.store.site import load_site

SITES = ("munich", "munich-cellfree")
CELL_FREE, PICKED = "munich-cellfree", 5
PLACES, QUICK_PLACES = (36, 144, 576, 2304), (36, 144, 576)
JUDGED, QUICK_JUDGED = 1500, 300


def main(
    quick: Annotated[bool, typer.Option("--quick", help="fewer places; some minutes")] = False,
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    device: Annotated[str, typer.Option(help="where to compute")] = "auto",
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/twins.json"),
) -> None:
    """Let every channel twin learn, and judge it where nothing was measured."""
    console, chosen = new_console(), choose_device(device)
    places, judged = (QUICK_PLACES, QUICK_JUDGED) if quick else (PLACES, JUDGED)
    with lasting():
        sites = [load_site(name, chosen) for name in SITES]
        figures = coverage(sites, places, judged, seed, console)
        console.print("association ...")
        figures["association"] = association(load_site(CELL_FREE, chosen), places, judged, PICKED, seed)
        figures["queries_per_second"] = queries_per_second(
            sites[0], random_places(sites[0], QUICK_PLACES[1], 1, seed).learn
        )
    write_result(json_path, "twins", figures, provenance({"quick": quick}, seed=seed, device=chosen))
    for site in SITES:
        head = [f"{kind}, {count}" for kind in SPLITS for count in places]
        table = new_table("twin", *head, title=f"Mean absolute error of the gain (dB) at {site}", numbers=True)
        for name, by_split in figures["mae_db"].items():
            found = (by_split.get(kind, {}).get(site, {}).get(str(count)) for kind in SPLITS for count in places)
            table.add_row(name, *("-" if error is None else f"{error:.1f}" for error in found))
        console.print(table)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
