"""How well codecs report channels, in the twin and in reality, and what they cost: `python -m benchmarks.codecs`.

Channels are without noise and on links that `street_blocks` keeps from training: the streets in a band of the site, and
everything that one AP serves. Each codec sends every length of codeword that it has.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.benchmarks.codecs import again, noisy
from twin_envs.benchmarks.codecs.claims import claims
from twin_envs.benchmarks.codecs.costs import costs
from twin_envs.benchmarks.codecs.scores import links_of, score
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.protocol import complete
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.codecs.told import AT_THE_UE, Told
from twin_envs.world.store.site import Site, load_site

CHANNELS, QUICK_CHANNELS = 4096, 128
WORLDS = ("twin", "reality")
ARMS: dict[str, Told] = {
    "": AT_THE_UE,
    ", 4 m": Told(position_error_m=4.0),
    ", wrong place": Told(elsewhere=True),
}
"""About which place the twin is asked, by what is added to the name of a codec that asks it anything."""
_HEAD = ("bits held", "SGCS", "NMSE (dB)", "by block (dB)", "sum rate")


def measure(site: Site, channels: int, seed: int, console: Console) -> dict[str, Any]:
    """Scores of every registered codec that works at a site.

    Args:
        site: the site.
        channels: so many in each world.
        seed: of their places.
        console: told what is being done.

    Returns:
        `codecs`, by name, with one of `ARMS` behind it for those that ask the twin: whether it is a
        `bound`, whether it asks a `twin`, the `downlink_bits` of what it tells, its `costs` (see `costs`; not for each
        arm), and `reports` by codeword length: the `bits` that are reserved, level included, and for each world what
        `score` says.
        `noisy`, `again` and `claims`: see there.
        `refused`: why the others do not work here.
    """
    figures: dict[str, Any] = {"site": site.recipe.name, "channels": channels, "codecs": {}, "refused": {}}
    grid, made = angle_delay_grid(site), {}
    for name in codecs:
        try:
            made[name] = complete(codecs.get(name)(site, site.device), name, grid, site.device)
        except (ConfigurationError, SiteError) as error:
            figures["refused"][name] = str(error)
    links = {world: links_of(site, world, channels, seed) for world in WORLDS}
    console.print("measuring costs ...")
    cost = costs(made, site, grid, links["twin"])
    for name, codec in made.items():
        lengths = torch.tensor(codec.codeword_lengths, device=site.device)
        reserved = list(zip(codec.codeword_lengths, codec.bits(lengths).tolist(), strict=True))
        for arm, told in ARMS.items():
            if arm and codec.asks is None:
                continue
            console.print(f"scoring {name}{arm} ...")
            twin = score(codec, site, links["twin"], told, seed, None)
            expected = {bits: 10 ** ((about["nmse_by_block_db"] or -math.inf) / 10) for bits, about in twin.items()}
            scores = {"twin": twin, "reality": score(codec, site, links["reality"], told, seed, expected)}
            figures["codecs"][name + arm] = {
                "bound": getattr(codec, "bound", False),
                "twin": codec.asks is not None,
                "downlink_bits": codec.downlink_bits,
                **({} if arm else {"costs": cost[name]}),
                "reports": {
                    str(length): {"bits": bits, **{world: scores[world][length] for world in WORLDS}}
                    for length, bits in reserved
                },
            }
    console.print("coding noisy estimates ...")
    honest = {name: codec for name, codec in made.items() if not getattr(codec, "bound", False)}
    figures["noisy"] = noisy.figures(honest, site, links["reality"], seed)
    if "path-twin" in made:
        console.print("coding reports after reports ...")
        figures["again"] = again.figures(made["path-twin"], site, links["reality"], seed)
    return figures


def show(console: Console, figures: dict[str, Any]) -> None:
    """Print the figures, bounds in brackets."""
    head = [f"{what}, {world}" for world in WORLDS for what in _HEAD]
    table = new_table("codec", "bits", *head, title=f"Codecs at {figures['site']}, held-out streets", numbers=True)
    for name, about in figures["codecs"].items():
        for report in list(about["reports"].values())[: 1 if about["bound"] else None]:  # a bound is the same for all
            cells = []
            for world in WORLDS:
                score = report[world]
                errors = (score["nmse_db"], score["nmse_by_block_db"])
                cells += [f"{score['bits']:,.1f}", f"{score['sgcs']:.3f}"]
                cells += ["exact" if error is None else f"{error:.1f}" for error in errors] + [f"{score['rate']:.1f}"]
            table.add_row(f"({name}, a bound)" if about["bound"] else name, str(report["bits"]), *cells)
    console.print(table)
    for claim, found in figures.get("claims", {}).items():
        console.print(f"{claim}: {found}")
    for name, reason in figures["refused"].items():
        console.print(f"{name} does not work here: {reason}")


def main(
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK_CHANNELS} channels instead of {CHANNELS:,}")] = False,
    seed: Annotated[int, typer.Option(help="of where the channels are")] = 0,
    site: Annotated[str, typer.Option(help="name or folder of a site")] = "munich",
    device: Annotated[str, typer.Option(help="where to compute")] = "auto",
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/codecs.json"),
) -> None:
    """Score every codec by the bits of its reports, in the twin and in reality."""
    console, chosen = new_console(), choose_device(device)
    figures = measure(load_site(site, chosen), QUICK_CHANNELS if quick else CHANNELS, seed, console)
    if not figures["refused"]:
        figures["claims"] = claims(figures)
    write_result(json_path, "codecs", figures, provenance({"quick": quick, "site": site}, seed=seed, device=chosen))
    show(console, figures)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
