"""What the benchmark plays, said before it is played: a protocol is a TOML file.

    description = "Two decisions at two sites, with the twin as it is and with a coarser one."
    seed = 20
    episodes = 12
    training_episodes = 8
    held_out = ["munich-uav"]

    [[tasks]]
    envs = ["FeedbackInterval", "PilotDensity"]
    sites = ["munich", "munich-uav"]
    options = { num_ue = 4, episode_slots = 400 }
    variants = { shipped = {}, los = { twin = "twin-los" } }

Each block of `tasks` stands for every environment at every site in every variant, which is a name for options.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twin_envs.base.errors import ConfigurationError, SiteError, check_choice, check_keys, check_number, hint
from twin_envs.base.registry import load_object
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.envs.core.configuration import EnvironmentConfig, parse_options
from twin_envs.envs.registry import specification
from twin_envs.world.recipe import recipe_names
from twin_envs.world.store.reading import available_sites, find_site, read_manifest

PROTOCOLS = Path(__file__).resolve().parent / "protocols"
"""Folder of the protocols that ship."""
USUAL = "shipped"
"""The variant of tasks that name none."""
_FIELDS = ("description", "seed", "episodes", "training_episodes", "held_out", "tasks")
_TASK_FIELDS = ("envs", "sites", "options", "variants")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One environment at one site with its options: what a policy plays.

    Attributes:
        env: the environment as the protocol names it.
        site: name of the site.
        variant: name of the variant.
        options: of the environment, `site` among them.
        held_out: whether nothing may be trained at this site.
    """

    env: str
    site: str
    variant: str
    options: Mapping[str, Any]
    held_out: bool

    @property
    def name(self) -> str:
        """Such as `FeedbackInterval/munich/shipped`."""
        return f"{specification(self.env).name}/{Path(self.site).name}/{self.variant}"

    @property
    def config(self) -> EnvironmentConfig:
        """All options, those included that the protocol leaves as they are."""
        return configuration(self.env, self.options)


def configuration(env: str, options: Mapping[str, Any]) -> EnvironmentConfig:
    """All options of an environment, of which some are given. Raises `ConfigurationError` if these are not its own."""
    kind = load_object("task", specification(env).task).options
    config: EnvironmentConfig = parse_options(kind, dict(options))
    return config


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Tasks, and the episodes in which they are played.

    Args:
        name: of its file.
        description: what it is for.
        seed: chooses the seeds of evaluation and training.
        episodes: evaluation episodes of every task, 2 or more.
        training_episodes: on which constants of rules and the best fixed choice are chosen.
        held_out: sites at which nothing may be trained.
        tasks: what is played, each of another name.

    Raises:
        ConfigurationError: a field is outside its range, or two tasks have one name.
    """

    name: str
    description: str
    seed: int
    episodes: int
    training_episodes: int
    held_out: Sequence[str]
    tasks: Sequence[Task] = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.description, str):
            raise ConfigurationError(f"description must be a text, got {self.description!r}")
        check_number("episodes", self.episodes, 2, integer=True)
        _ = self.evaluation_seeds, self.training_seeds
        for site in self.held_out:
            check_choice("held_out", site, dict.fromkeys(task.site for task in self.tasks))
        names = [task.name for task in self.tasks]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ConfigurationError(f"tasks of protocol {self.name!r} must have different names, got twice {twice}")

    @property
    def evaluation_seeds(self) -> range:
        """Of the episodes in which policies are compared."""
        return evaluation_seeds(self.seed, self.episodes)

    @property
    def training_seeds(self) -> range:
        """Of the episodes in which constants are chosen."""
        return training_seeds(self.seed, self.training_episodes)

    def select(self, envs: Sequence[str] = (), names: Sequence[str] = ()) -> list[Task]:
        """The tasks of these environments and of these names; all, where none is given.

        Raises:
            ConfigurationError: there is none of that name; the message names the nearest.
        """
        known = [specification(task.env).name for task in self.tasks]
        for env in envs:
            check_choice(f"env of protocol {self.name!r}", specification(env).name, dict.fromkeys(known))
        for name in names:
            check_choice(f"task of protocol {self.name!r}", name, [task.name for task in self.tasks])
        asked = {specification(env).id for env in envs}
        chosen = [task for task in self.tasks if not asked or specification(task.env).id in asked]
        return [task for task in chosen if not names or task.name in names]


def protocol_names() -> list[str]:
    """Names of the protocols that ship."""
    return sorted(path.stem for path in PROTOCOLS.glob("*.toml"))


def read_protocol(name: str | Path) -> Protocol:
    """A protocol by its name, or by the path of its file, `.toml`.

    Raises:
        ConfigurationError: there is none, or a field is unknown, missing or outside its range; where a name is unknown,
            the message has the nearest.
        SiteError: there is no such site, built or not.
    """
    path = Path(name) if str(name).endswith(".toml") else PROTOCOLS / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = protocol_names()
        raise ConfigurationError(
            f"protocol must be one of {', '.join(names)}, or the path of a TOML file, got {str(name)!r}"
            f"{hint(str(name), names)}"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"protocol {path} must be TOML: {error}") from None
    where = f"protocol {path.stem!r}"
    _check_fields(where, data, _FIELDS, optional=("held_out",))
    held_out = _names(f"held_out of {where}", data.get("held_out", []), least=0)
    if not isinstance(data["tasks"], list) or not data["tasks"]:
        raise ConfigurationError(f"tasks of {where} must be one table or more, got {data['tasks']!r}")
    tasks = [task for block in data["tasks"] for task in _tasks(f"tasks of {where}", block, held_out)]
    return Protocol(**{**data, "name": path.stem, "held_out": held_out, "tasks": tasks})


def _tasks(where: str, block: Any, held_out: Sequence[str]) -> list[Task]:
    _check_fields(where, block, _TASK_FIELDS, optional=("options", "variants"))
    envs, sites = (_names(f"{name} of {where}", block[name], least=1) for name in ("envs", "sites"))
    options, variants = block.get("options", {}), block.get("variants", {USUAL: {}})
    for table in (options, variants, *(variants.values() if isinstance(variants, dict) else ())):
        if not isinstance(table, dict):
            raise ConfigurationError(f"options and variants of {where} must be tables, got {table!r}")
        if "site" in table:
            raise ConfigurationError(f"options of {where} must not have 'site': it is named by sites")
    for site in sites:
        _check_site(site)
    made = []
    for env, site, (variant, further) in itertools.product(envs, sites, variants.items()):
        chosen = {**options, **further, "site": site}
        task = Task(env=env, site=site, variant=variant, options=chosen, held_out=site in held_out)
        _ = task.config
        made.append(task)
    return made


def _check_fields(where: str, table: Any, fields: Sequence[str], optional: Sequence[str]) -> None:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where} must be a table, got {table!r}")
    check_keys(where, table, fields)
    if missing := [name for name in fields if name not in table and name not in optional]:
        raise ConfigurationError(f"{where} must have {', '.join(missing)}")


def _names(where: str, names: Any, least: int) -> list[str]:
    if not isinstance(names, list) or len(names) < least or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{where} must be a list of {least} name or more, got {names!r}")
    return names


def _check_site(site: str) -> None:
    """Raise `SiteError`, naming the nearest, unless the site is there or can be built."""
    if site not in {*available_sites(), *recipe_names()}:
        find_site(site, recipes=recipe_names())


def unbuilt_sites(sites: Iterable[str]) -> list[str]:
    """Those of `sites`, each once, that are not there."""
    missing = []
    for site in dict.fromkeys(sites):
        try:
            find_site(site)
        except SiteError:
            missing.append(site)
    return missing


def site_digest(site: str) -> str:
    """Digest of a site's files. Raises `SiteError` if it is not built."""
    found: str = read_manifest(find_site(site))["digest"]
    return found
