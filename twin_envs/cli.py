"""The command `twin-envs`: sites, codecs, training, evaluation, benchmarks, and what this machine can do."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from twin_envs.base.console import new_console, new_table, telling_errors, telling_how_to_go_on
from twin_envs.base.errors import TwinEnvsError
from twin_envs.base.progress import progress

app = typer.Typer(
    help="Sites, codecs, training, evaluation, benchmarks, and the state of this machine.",
    no_args_is_help=True,
    add_completion=False,
)
site_app = typer.Typer(help="Build and check sites.", no_args_is_help=True)
codec_app = typer.Typer(help="Train the codec of a site.", no_args_is_help=True)
app.add_typer(site_app, name="site")
app.add_typer(codec_app, name="codec")

Name = Annotated[
    str,
    typer.Argument(
        help="Name of the site, such as munich or munich-mild; to build, also the path of a recipe, my.toml."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Build again even if an intact site is there.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of weights, batches and noise.")]


def _state(ok: bool, detail: str) -> str:
    """`detail` for a table, in red unless `ok`."""
    return escape(detail) if ok else f"[red]{escape(detail)}[/]"


@site_app.command("new")
def site_new(
    name: Annotated[str, typer.Argument(help="Name of the site; its recipe is NAME.toml in the working directory.")],
    scene: Annotated[
        str, typer.Option(help="A scene of Sionna RT, such as etoile, or the path of a Mitsuba XML file.")
    ],
    size_m: Annotated[float, typer.Option(help="Side of the area [m] that is looked for in the scene.")] = 120.0,
    area_m: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="The area [m] instead: x and y of its lower left corner, then of its upper right corner."),
    ] = None,
    aps: Annotated[int, typer.Option(help="Number of access points.")] = 6,
) -> None:
    """Write a first recipe of a place in a scene, to be looked at, changed and built."""
    from twin_envs.world.building.drafting import draft

    path = draft(name, scene, size_m=size_m, area_m=area_m, num_aps=aps)
    console = new_console()
    console.print(escape(str(path)))
    console.print(f"Look at it: `twin-envs site preview {escape(shlex.quote(str(path)))} --out {escape(name)}.png`")


@site_app.command("preview")
def site_preview(
    name: Name,
    out: Annotated[Path | None, typer.Option(help="Where a picture of map, APs and routes goes, .png.")] = None,
) -> None:
    """Check a recipe against its scene without tracing a ray: what each AP sees, routes, and a picture."""
    from twin_envs.world.building.preview import preview

    console = new_console()
    found = preview(name, out)
    table = new_table("access point", "places in line of sight")
    for ap, share in found.survey.line_of_sight.items():
        table.add_row(escape(ap), f"{100 * share:.0f} %")
    console.print(table)
    kinds = found.survey.tensors["route_kind"]
    console.print(
        f"{len(found.survey.tensors['point_m'])} grid points, {found.links} links to trace, "
        f"{int((kinds == 0).sum())} walking and {int((kinds == 1).sum())} driving routes"
    )
    for remark in found.survey.remarks:
        console.print(escape(remark))
    if found.picture:
        console.print(escape(str(found.picture)))
    console.print(f"Build it: `twin-envs site build {escape(shlex.quote(name))}`")


@site_app.command("list")
def site_list() -> None:
    """The sites that are there to be used, and the recipes that can be built."""
    from twin_envs.world.store.checking import listing

    table = new_table("site", "where it is")
    for name, path in listing().items():
        table.add_row(escape(name), escape(str(path) if path else f"not built: `twin-envs site build {name}`"))
    new_console().print(table)


@site_app.command("export")
def site_export(
    name: Name,
    out: Annotated[Path, typer.Option(help="The file, .npz.")],
    points: Annotated[int, typer.Option(min=1, help="Number of places, chosen at random on the grid.")] = 1000,
    world: Annotated[str, typer.Option(help="The world: reality, or a twin.")] = "twin",
    seed: Annotated[int, typer.Option(min=0, help="Chooses the places.")] = 0,
) -> None:
    """Positions, path lists and channels of a site as arrays."""
    from twin_envs.world.building.export import export

    new_console().print(escape(str(export(name, out, points=points, world=world, seed=seed))))


@site_app.command("show")
def site_show(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="The page, .html; by default SITE.html in the working directory.")
    ] = None,
    env: Annotated[str | None, typer.Option(help="Environment of the episode; by default one that suits.")] = None,
    ues: Annotated[int, typer.Option(min=1, help="Number of UEs in the episode.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the episode.")] = 0,
) -> None:
    """One HTML file to look at a built site in: map, APs, coverage and gap of each world, and an episode."""
    from twin_envs.agents.showing import show

    page = out or Path(f"{Path(name).name}.html")
    new_console().print(escape(str(show(name, page, env=env, num_ue=ues, seed=seed))))


@site_app.command("build")
def site_build(
    name: Name,
    force: Force = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the site's folder; by default the user's cache.")] = None,
) -> None:
    """Trace a site anew into the user's cache ($TWIN_ENVS_HOME); an interrupted build goes on where it stopped."""
    from twin_envs.csi.codecs.site_codec import codec_names
    from twin_envs.csi.training.site_codec import adopt_codec
    from twin_envs.world.building.builder import build
    from twin_envs.world.store.reading import note_on_copies
    from twin_envs.world.store.site import load_site

    console = new_console()
    how = "the same command goes on with the pieces that are finished"
    with telling_how_to_go_on(lambda: how), progress(console) as report:
        report("surveying", 0.0)
        path = build(
            name, root=out, force=force, progress=lambda done, total, piece: report("tracing", done / total, piece)
        )
    console.print(escape(str(path)))
    site = path.name if out is None else str(path)
    if note := note_on_copies(site):
        console.print(escape(note))
    if codec_names(load_site(str(path))):
        return
    packaged = adopt_codec(path)
    if packaged:
        console.print(f"The networks of the packaged site {packaged!r} come with it, scored anew.")
    else:
        command = escape(shlex.quote(site))
        console.print(f"A network for codec='csinet' learns by: `twin-envs codec train {command}`")


@site_app.command("scatter")
def site_scatter(name: Name, world: Annotated[str, typer.Option(help="The twin world.")] = "twin") -> None:
    """Trace a twin world with walls that scatter and keep it with the site, for the channel twin `calibrated`."""
    from twin_envs.world.building.scattering import trace_scattering

    console = new_console()
    how = "the site is as it was, and the same command traces anew"
    with telling_how_to_go_on(lambda: how), progress(console) as report:
        report("tracing", 0.0)
        path = trace_scattering(name, world=world, progress=lambda share: report("tracing", share))
    console.print(escape(str(path)))


@site_app.command("check")
def site_check(name: Name) -> None:
    """Hash every file of a site, and print its size, coverage, gap and how long each twin takes to answer live.

    Of a site that is both built here and packaged, the newer is used and checked; which that is, and why, is printed.
    """
    from twin_envs.world.store.checking import check

    console = new_console()
    found = check(name)
    table = new_table("file", "state", "remedy")
    for file in found.files:
        table.add_row(escape(file.file), _state(file.ok, file.detail), escape(file.remedy))
    console.print(escape(str(found.path)))
    if found.note:
        console.print(escape(found.note))
    console.print(table)
    if not found.ok:
        raise typer.Exit(1)
    manifest = found.manifest
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    console.print(f"{size / 1e6:.1f} MB, {manifest['grid_points']} grid points; scene: {escape(manifest['source'])}")
    figures = new_table("world", "figure", "value")
    for kind in ("coverage", "gap"):
        for world, values in manifest[kind].items():
            for figure, value in values.items():
                figures.add_row(escape(world), escape(f"{kind}: {figure}"), f"{value:.3f}")
    for world, latency_s in manifest.get("latency_s", {}).items():
        figures.add_row(escape(world), escape("latency of one link [s]"), f"{latency_s:.3f}")
    console.print(figures)


@codec_app.command("train")
def codec_train(
    name: Name,
    codec: Annotated[str, typer.Option(help="csinet, csinet-plus or transformer.")] = "csinet",
    seed: Seed = 0,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 24_000,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a network of the site on its twin and keep it with the site."""
    from twin_envs.base.device import choose_device
    from twin_envs.csi.training.site_codec import train_site_codec

    console = new_console()
    how = "the site is as it was, and the same command trains anew"
    with telling_how_to_go_on(lambda: how), progress(console) as report:
        report("training", 0.0)
        path = train_site_codec(
            name,
            codec=codec,
            seed=seed,
            steps=steps,
            device=choose_device(device),
            progress=lambda step, loss_db: report("training", step / steps, f"{loss_db:.2f} dB"),
        )
    console.print(escape(str(path)))


def _forward(name: str, module: str, help: str) -> None:
    """A command whose arguments are those of `main` in a module, which is imported when the command is run."""

    def command(context: typer.Context) -> None:
        from importlib import import_module

        own = typer.Typer(add_completion=False)
        own.command(name=name)(import_module(module).main)
        own(args=context.args, prog_name=f"twin-envs {name}")

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, help=help, context_settings=settings)(command)


_forward("train", "twin_envs.agents.train", "Train a policy in a twin world.")
_forward("evaluate", "twin_envs.agents.evaluate", "What a policy is worth on episodes that nothing was trained on.")
_forward("benchmark", "twin_envs.benchmarks.decisions", "Compare policies of an environment, one's own among them.")


@app.command()
def doctor() -> None:
    """Say what this machine can do, and how to mend what it cannot."""
    from twin_envs.base.doctor import diagnose

    table = new_table("what", "state", "remedy")
    for finding in diagnose():
        table.add_row(escape(finding.name), _state(finding.ok, finding.detail), escape(finding.remedy))
    new_console().print(table)


def main() -> None:
    """Run the command; an error of twin-envs is one line on stderr and exit status 1."""
    if "" not in sys.path:  # so that `module:object` finds modules in the user's folder, as with `python -m`
        sys.path.append("")
    with telling_errors(TwinEnvsError):
        app()


if __name__ == "__main__":
    main()
