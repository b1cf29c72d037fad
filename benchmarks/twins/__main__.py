"""What channel twins know where nothing was measured: `python -m benchmarks.twins`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.errors import check_choice
from twin_envs.base.settings import lasting
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.benchmarks.twins import federation
from twin_envs.benchmarks.twins.association import association
from twin_envs.benchmarks.twins.beams import beams
from twin_envs.benchmarks.twins.calibration import calibration
from twin_envs.benchmarks.twins.completion import completion
from twin_envs.benchmarks.twins.coverage import coverage, queries_per_second
from twin_envs.benchmarks.twins.decisions import CASES, Effort, decisions
from twin_envs.benchmarks.twins.maps import maps
from twin_envs.benchmarks.twins.scenarios import scenarios
from twin_envs.benchmarks.twins.splits import random_places
from twin_envs.benchmarks.twins.stages import stages
from twin_envs.benchmarks.twins.staleness import TWINS, staleness
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import load_site

SITES = ("munich", "munich-cellfree")
CELL_FREE, PICKED = "munich-cellfree", 5
BEAMED, BEAM_PLACES, BEAM_LINKS, QUICK_BEAM_LINKS = "munich-28ghz", (0, 36, 144), 4000, 500
HALL, QUICK_HALL_SEEDS = "indoor-factory", 2
MAPPED, MAPPED_PLACES = ("neural", "path-loss"), 144
PLACES, QUICK_PLACES = (36, 144, 576, 2304), (36, 144, 576)
JUDGED, QUICK_JUDGED = 1500, 300
COMMISSIONED, ORDERS = 144, 50
FEW_PLACES = (10, 20, 50)
SEEDS, QUICK_SEEDS = 20, 5
UNKNOWN, MAP_PLACES = (0.1, 0.3, 0.5), (36, 144)
DRAWS, QUICK_DRAWS = 4, 2
EPISODES, QUICK_EPISODES = 64, 8
TRAINING_EPISODES, QUICK_TRAINING_EPISODES = 16, 2
CONSTANTS, QUICK_CONSTANTS = 100, 6
REPORTING, QUICK_REPORTING = (20, 50, 100, 300), (20, 100)
DRIFTED_EPISODES, QUICK_DRIFTED_EPISODES = 128, 32


def _coverage(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    places, judged = (QUICK_PLACES, QUICK_JUDGED) if quick else (PLACES, JUDGED)
    sites = [load_site(name, device) for name in SITES]
    figures = coverage(sites, places, judged, seed, console)
    console.print("association ...")
    figures["association"] = association(load_site(CELL_FREE, device), places, judged, PICKED, seed)
    figures["queries_per_second"] = queries_per_second(sites[0], random_places(sites[0], places[0], 1, seed).learn)
    return figures


def _beams(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    links = QUICK_BEAM_LINKS if quick else BEAM_LINKS
    return beams(load_site(BEAMED, device), channel_twins.names(), BEAM_PLACES, links, seed, console)


def _maps(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    return maps(load_site(CELL_FREE, device), MAPPED, MAPPED_PLACES, PICKED, seed)


def _calibration(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    judged, seeds = (QUICK_JUDGED, QUICK_SEEDS) if quick else (JUDGED, SEEDS)
    return calibration(load_site(SITES[0], device), FEW_PLACES, judged, seeds, seed, console)


def _calibration_in_a_hall(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    few = FEW_PLACES[0], FEW_PLACES[-1]
    judged, seeds = (QUICK_JUDGED, QUICK_HALL_SEEDS) if quick else (JUDGED, SEEDS)
    return calibration(load_site(HALL, device), few, judged, seeds, seed, console)


def _staleness(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    reporting, judged = (QUICK_REPORTING, QUICK_JUDGED) if quick else (REPORTING, JUDGED)
    episodes = QUICK_DRIFTED_EPISODES if quick else DRIFTED_EPISODES
    return staleness(load_site(SITES[0], device), COMMISSIONED, reporting, judged, ORDERS, episodes, seed, console)


def _stages(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    places, judged = (QUICK_PLACES, QUICK_JUDGED) if quick else (PLACES, JUDGED)
    sites = [load_site(name, device) for name in (SITES[:1] if quick else SITES)]
    return stages(sites, places, judged, seed, console)


def _federation(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    return federation.figures(load_site(SITES[0], device), quick, seed, console)


def _scenarios(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    return scenarios(quick, seed, device, console, Path("runs") / "scenarios")


def _completion(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    judged, draws = (QUICK_JUDGED, QUICK_DRAWS) if quick else (JUDGED, DRAWS)
    return completion(load_site(CELL_FREE, device), UNKNOWN, MAP_PLACES, judged, draws, seed, console)


def _decisions(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    episodes, training = (QUICK_EPISODES, QUICK_TRAINING_EPISODES) if quick else (EPISODES, TRAINING_EPISODES)
    constants, judged = (QUICK_CONSTANTS, QUICK_JUDGED) if quick else (CONSTANTS, JUDGED)
    effort = Effort(quick=quick, episodes=episodes, training_episodes=training, constants=constants, judged=judged)
    return decisions(CASES, list(channel_twins), effort, seed, device, console)


STUDIES: dict[str, Callable[[bool, int, torch.device, Console], dict[str, Any]]] = {
    "coverage": _coverage,
    "stages": _stages,
    "federation": _federation,
    "staleness": _staleness,
    "scenarios": _scenarios,
    "calibration": _calibration,
    "calibration-factory": _calibration_in_a_hall,
    "completion": _completion,
    "decisions": _decisions,
    "beams": _beams,
    "maps": _maps,
}
"""The case studies by name; what each returns is said where it is."""


def main(
    study: Annotated[str, typer.Option(help=f"one of {', '.join(STUDIES)}")] = "coverage",
    quick: Annotated[bool, typer.Option("--quick", help="fewer places; some minutes")] = False,
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    device: Annotated[str, typer.Option(help="where to compute")] = "auto",
    json_path: Annotated[Path | None, typer.Option("--json", help="result; by default under runs/")] = None,
) -> None:
    """Let channel twins learn, and judge them where nothing was measured."""
    check_choice("study", study, STUDIES)
    console, chosen = new_console(), choose_device(device)
    path = json_path or Path("runs") / ("twins.json" if study == "coverage" else f"twins-{study}.json")
    with lasting():
        figures = STUDIES[study](quick, seed, chosen, console)
    write_result(path, "twins", figures, provenance({"study": study, "quick": quick}, seed=seed, device=chosen))
    if study == "federation":
        table = new_table("contender", "mean", title="Absolute error of the gain (dB) at 10,000 samples", numbers=True)
        for name, error in figures["mae_db"].items():
            table.add_row(name, f"{error:.1f}")
        console.print(table)
    elif study in ("calibration", "calibration-factory"):
        console.print(_by_count(figures["mae_db"]))
    elif study == "beams":
        console.print(_by_beams(figures))
    elif study == "maps":
        for name, told in figures["maps"].items():
            console.print(
                f"{name}: the UE's access points keep {told['kept']:.1%}, {told['mean_kept']:.1%} in the mean"
            )
    elif study == "staleness":
        console.print(_by_update(figures["mae_db"]))
    elif study == "completion":
        console.print(_by_map(figures["mae_db"]))
    elif study == "scenarios":
        console.print(_by_place(figures["places"]))
    elif study == "decisions":
        for name, case in figures["cases"].items():
            console.print(_by_twin(name, case))
    else:
        by_split = next(iter(figures["mae_db"].values()))
        for site in by_split["random"]:
            console.print(_by_split(figures["mae_db"], site))
    console.print(f"wrote {path}")


def _by_split(mae_db: dict[str, Any], site: str) -> Table:
    cases = [(kind, count) for kind, sites in next(iter(mae_db.values())).items() for count in sites[site]]
    title = f"Mean absolute error of the gain (dB) at {site}"
    table = new_table("twin", *(f"{kind}, {count}" for kind, count in cases), title=title, numbers=True)
    for name, by_split in mae_db.items():
        found = (by_split.get(kind, {}).get(site, {}).get(count) for kind, count in cases)
        table.add_row(name, *("-" if error is None else f"{error:.1f}" for error in found))
    return table


def _by_place(places: dict[str, Any]) -> Table:
    table = new_table("policy", *places, title="Net spectral efficiency (bit/s/Hz)", numbers=True)
    for name in next(iter(places.values()))["returns"]:
        table.add_row(name, *(f"{place['returns'][name]['mean']:.2f}" for place in places.values()))
    return table


def _by_twin(name: str, case: dict[str, Any]) -> Table:
    policies = list(case["returns"])
    title = f"{name}: net spectral efficiency (bit/s/Hz), the rule without a twin {case['without']['rule']['mean']:.2f}"
    table = new_table("twin", *policies, title=title, numbers=True)
    for twin in case["twins"]:
        found = (case["returns"][policy].get(twin) for policy in policies)
        table.add_row(twin, *("-" if score is None else f"{score['mean']:.2f}" for score in found))
    return table


def _by_count(mae_db: dict[str, Any]) -> Table:
    counts = ["0", *map(str, FEW_PLACES)]
    title = "Mean absolute error of the gain (dB) by measured places"
    table = new_table("twin", *counts, title=title, numbers=True)
    for name, by_count in mae_db.items():
        table.add_row(name, *(f"{by_count[count]:.2f}" if count in by_count else "" for count in counts))
    return table


def _by_beams(figures: dict[str, Any]) -> Table:
    counts = [str(count) for count in BEAM_PLACES]
    title = "How much less the best of three beams gives (dB) by measured places"
    table = new_table("twin", *counts, title=title, numbers=True)
    for name, by_count in figures["lost_db"].items():
        table.add_row(name, *(f"{by_count[count]:.2f}" if count in by_count else "" for count in counts))
    return table


def _by_map(mae_db: dict[str, Any]) -> Table:
    counts = list(map(str, MAP_PLACES))
    title = "Mean absolute error of the gain (dB) by measured places"
    table = new_table("unknown, map", *counts, title=title, numbers=True)
    for share, by_map in mae_db.items():
        for name, by_count in by_map.items():
            table.add_row(f"{float(share):.0%}, {name}", *(f"{by_count[count]['mean']:.2f}" for count in counts))
    return table


def _by_update(mae_db: dict[str, Any]) -> Table:
    cases = [(kind, count) for kind, by_count in mae_db["none"][TWINS[0]].items() for count in by_count]
    head = (f"{kind}, {count}" for kind, count in cases)
    table = new_table("drift, twin", *head, title="Mean absolute error of the gain (dB) after drift", numbers=True)
    for drift, by_twin in mae_db.items():
        for name, by_kind in by_twin.items():
            table.add_row(f"{drift}, {name}", *(f"{by_kind[kind][count]:.1f}" for kind, count in cases))
    return table


if __name__ == "__main__":
    run_command(main)
