"""What mkdocs does with the pages: those that are made of docstrings and results, and what a page asks for.

A page asks for a table with a line such as `<!-- table: sites -->`, and for the text of a file beside it, as a titled
block of code, with a line such as `<!-- file: examples/codeword_length.py -->`.
"""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
from matplotlib.figure import Figure
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import twin_envs
from twin_envs.benchmarks.report import (
    budgets,
    codec_tables,
    csi_goals,
    estimates,
    learning,
    physics_tables,
    pictures,
    scenarios,
    semi_black_box,
    speeds,
    suite,
    tables,
    twin_decisions,
    twin_pictures,
    white_box,
    white_box_data,
)
from twin_envs.benchmarks.report.drawing import figure_uri
from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.documentation import option_table
from twin_envs.world.store.reading import packaged_sites

NOTES = Path(__file__).parent / "results" / "notes"
REFERENCE = Path(__file__).parent / "reference"
_TABLE = re.compile(r"^<!-- table: (.+) -->$", re.MULTILINE)
_FILE = re.compile(r"^<!-- file: (.+\.(\w+)) -->$", re.MULTILINE)


def environment_ids() -> dict[str, str]:
    """Names of our environments and their ids, in the order of their registration."""
    ids = [env_id for env_id in gymnasium.registry if env_id.startswith("twin_envs/")]
    return {env_id.partition("/")[2].rpartition("-v")[0]: env_id for env_id in ids}


def docstring(env_id: str) -> str:
    """The docstring of an environment's class."""
    return inspect.cleandoc(gymnasium.envs.registration.load_env_creator(gymnasium.spec(env_id).entry_point).__doc__)


def decisions() -> dict[str, str]:
    """What is decided in each environment: the first line of its docstring."""
    return {name: docstring(env_id).partition("\n")[0] for name, env_id in environment_ids().items()}


def environment_page(name: str) -> str:
    """The page of an environment: its docstring."""
    env_id = environment_ids()[name]
    question, _, rest = docstring(env_id).partition("\n")
    of_it = [result for result in tables.result_names() if tables.load_result(result)[0] == name]
    links = ", ".join(f"[{result}](../results/{result}.md)" for result in of_it) or "none yet"
    return f"# {name}\n\n**{question}**\n\nId: `{env_id}`. Results: {links}.\n{rest}\n"


def result_page(name: str) -> str:
    """The page of a result: its tables, and a note where there is one."""
    env, figures, provenance = tables.load_result(name)
    note = NOTES / f"{name}.md"
    said = [QUICK] if provenance["arguments"]["quick"] else []
    said += [note.read_text(encoding="utf-8")] if note.exists() else []
    head = f"# {name}\n\n**{figures['question']}** Environment: [{env}](../environments/{env}.md)."
    return "\n\n".join([head, *said, tables.comparison(name)]) + "\n"


def environment_list() -> str:
    """The environments with what is decided in each, its action space and its default site, as docstrings have them."""
    texts = {name: docstring(env_id) for name, env_id in environment_ids().items()}
    rows = [
        (
            f"[`{name}`](../environments/{name}.md)",
            decisions()[name],
            _first(r"## Action Space\n+(`.+?`)", text),
            _first(r"\| `site` \| `'(.+?)'` \|", text),
        )
        for name, text in texts.items()
    ]
    return tables.markdown_table(("name", "the decision", "action space", "default site"), rows)


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise PluginError(f"there is no {pattern!r} in the docstring that begins with {text[:60]!r}")
    return match[1]


def public_names() -> str:
    """The reference of everything in `twin_envs.__all__`: links to what the other pages of the reference have, and
    directives for the rest."""
    places = {name: _where(name) for name in getattr(twin_envs, "__all__", ()) if not name.startswith("_")}
    pages = [path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md") if path.name != "index.md"]
    told = [match for text in pages for match in re.findall(r"^::: (.+)$", text, re.MULTILINE)]
    elsewhere = {name for name, place in places.items() if any(f"{place}.".startswith(f"{of}.") for of in told)}
    links = [f"* [`{name}`][{place}]" for name, place in places.items() if name in elsewhere]
    return "\n".join(links) + "".join(f"\n\n::: {places[name]}" for name in places if name not in elsewhere)


def _where(name: str) -> str:
    """Where a public name is defined."""
    thing = getattr(twin_envs, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return f"{thing.__module__}.{thing.__qualname__}"
    homes = [m for m, module in sys.modules.items() if m.startswith("twin_envs.") and vars(module).get(name) is thing]
    return f"{homes[0]}.{name}"


def picture(said: str, draw: Callable[[], Figure]) -> Callable[[], str]:
    """What a page shows of a picture.

    Args:
        said: what is to be seen.
        draw: draws it, when it is asked for.
    """
    return lambda: f"![{said}]({figure_uri(draw())})"


QUICK = """!!! warning "Quick comparisons"
    Made with `--quick`: twelve episodes, and what was chosen was chosen on four. An interval that holds zero tells
    nothing, and constants might be others with more episodes."""
QUICK_BUDGETS = """!!! warning "Quick comparisons"
    Made with `--quick`: six episodes at each value, and what was chosen was chosen on two. They show where there is
    something to gain, and prove little about who gains it."""
TABLES: dict[str, Callable[[], str]] = {
    "quick": lambda: QUICK,
    "quick-budgets": lambda: QUICK_BUDGETS,
    "environments": environment_list,
    "options": lambda: option_table(EnvironmentConfig),
    "overview": lambda: tables.overview({name: f"[{name}](../results/{name}.md)" for name in environment_ids()}),
    "sites": lambda: tables.sites(packaged_sites()),
    "built sites": tables.built_sites,
    "codecs": lambda: tables.codecs(packaged_sites()),
    "budget": tables.budgets,
    "budget-picture": picture(
        "Net spectral efficiency over that of the best fixed choice, by budget: the twin's policy, a rule, the oracle",
        lambda: budgets.picture(tables.load_budgets()),
    ),
    "knowledge": physics_tables.knowledge,
    "sensing": physics_tables.sensing,
    "estimation": physics_tables.estimation,
    "estimation picture": picture(
        "Error of channel estimates against the SNR of pilots, by how sparse these are",
        lambda: estimates.picture(estimates.figures()),
    ),
    "pilots-saved": physics_tables.pilots_saved,
    "twin errors": physics_tables.twin_errors,
    "twin intervals": physics_tables.twin_intervals,
    "twin claims": physics_tables.twin_claims,
    "twin stages": physics_tables.twin_stages,
    "twin fewer": physics_tables.twin_fewer,
    "twin decisions": twin_decisions.tables,
    "twin decisions picture": picture(
        "What policies earn with each channel twin over the traced one, by decision, the most accurate twin on top",
        lambda: twin_decisions.picture(tables.load_figures(twin_decisions.RESULT)),
    ),
    "twin maps picture": picture(
        "Gain of the strongest access point, and the five that a UE is given, by reality, a twin and the path-loss law",
        lambda: twin_pictures.maps(tables.load_figures(twin_pictures.MAPS)),
    ),
    "twin cost picture": picture(
        "Mean absolute error of each channel twin's gain against the links that it answers in a second",
        lambda: twin_pictures.cost(tables.load_figures("twins")),
    ),
    "twin beams": twin_pictures.beams,
    "twin federation picture": picture(
        "Learning together: mean squared error by round, and the absolute errors in the end, 5 % to 95 % of them",
        lambda: twin_pictures.federation(tables.load_figures(twin_pictures.FEDERATION)),
    ),
    "twin federation": physics_tables.twin_federation,
    "twin completion": physics_tables.twin_completion,
    "twin homes": physics_tables.twin_homes,
    "twin calibration": physics_tables.twin_calibration,
    "twin calibration factory": lambda: physics_tables.twin_calibration("twins-calibration-factory"),
    "twin associations": physics_tables.twin_associations,
    "twin staleness": physics_tables.twin_staleness,
    "twin drift scores": physics_tables.twin_drift_scores,
    "lasting": physics_tables.lasting,
    "lasting-longer": physics_tables.lasting_longer,
    "twin-alone": physics_tables.twin_alone,
    "predicting cells": physics_tables.predicting_cells,
    "ageing picture": picture(
        "Squared correlation against the age of a report",
        lambda: pictures.ageing(tables.load_figures("csi-prediction")),
    ),
    "codec reports": codec_tables.reports,
    "codec costs": codec_tables.costs,
    "codec claims": codec_tables.claims,
    "codec again": codec_tables.again,
    "codec picture": picture(
        "SGCS, NMSE and sum rate of codecs against the bits of their reports, in the twin and in reality",
        lambda: pictures.codecs(codec_tables.figures()),
    ),
    "csi goals": csi_goals.table,
    "white-box picture": picture(
        "Error of CSI networks in reality against the number of samples, by what they were trained on",
        lambda: white_box.picture(white_box.figures()),
    ),
    "white-box seen": lambda: white_box.errors("seen"),
    "white-box held out": lambda: white_box.errors("held_out"),
    "white-box equivalents": white_box.equivalents,
    "white-box data picture": picture(
        "Error of CSI networks in reality by positions of users, paths and places of the twin's samples",
        lambda: white_box_data.picture(white_box_data.figures()),
    ),
    "white-box positions": white_box_data.positions,
    "white-box paths": white_box_data.paths,
    "white-box places": white_box_data.places,
    "semi-black-box picture": picture(
        "What codecs of unseen scenes gain over the scene-agnostic one, in the twin and in reality",
        lambda: semi_black_box.picture(semi_black_box.figures()),
    ),
    "semi-black-box errors": semi_black_box.errors,
    "semi-black-box sizes": semi_black_box.sizes,
    "scenarios": scenarios.described,
    "scenario options": scenarios.expanded,
    "scenario places": scenarios.places,
    "scenario returns": scenarios.returns,
    "scenario picture": picture(
        "What the nearest access point loses by place, and what policies of association earn there",
        lambda: scenarios.picture(tables.load_figures("twins-scenarios")),
    ),
    "speed": lambda: tables.figures_of("speed"),
    "speed-picture": picture(
        "Milliseconds of a step by the environments in a batch and by the UEs of a cell",
        lambda: speeds.picture(tables.load_figures("speed")["scaling"]),
    ),
    "peers": speeds.peers,
    "speed-gpu": lambda: tables.figures_of("speed-gpu"),
    "speed-gpu-4096": lambda: tables.figures_of("speed-gpu-4096"),
    "endurance": lambda: tables.figures_of("endurance"),
    "learning": learning.learning,
    "goals": learning.goals,
    "ablations": learning.ablations,
    "suite": suite.page,
    "public names": public_names,
}
"""What a page can ask for by name."""


def generated() -> dict[str, dict[str, str]]:
    """The generated pages, by section of the navigation and path."""
    return {
        "Environments": {f"environments/{name}.md": environment_page(name) for name in environment_ids()},
        "Results": {f"results/{name}.md": result_page(name) for name in tables.result_names()},
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation."""
    sections = {title: pages for entry in config.nav if isinstance(entry, dict) for title, pages in entry.items()}
    for section, pages in generated().items():
        sections[section].extend(pages)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for pages in generated().values():
        for path, text in pages.items():
            files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put in the tables and files that the page asks for."""

    def table(match: re.Match[str]) -> str:
        if match[1] not in TABLES:
            raise PluginError(f"{page.file.src_uri}: there is no table {match[1]!r}; there are {', '.join(TABLES)}")
        return TABLES[match[1]]()

    def file(match: re.Match[str]) -> str:
        path = Path(config.docs_dir, page.file.src_uri).parent / match[1]
        if not path.is_file():
            raise PluginError(f"{page.file.src_uri}: there is no file {match[1]!r}")
        return f'```{match[2]} title="{path.name}"\n{path.read_text(encoding="utf-8")}```'

    return _FILE.sub(file, _TABLE.sub(table, markdown))
