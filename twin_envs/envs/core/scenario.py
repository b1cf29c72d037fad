"""Scenarios: options of environments by one name, for what a kind of network and of users has in common.

A scenario is a TOML file. `[all]` has options of every environment, `[csi_cell]`, `[association]` and `[beams]` those
of a family of decisions; the family's win. Where a family has no table, the scenario is none for its environments.

    description = "Vehicles in the streets of a town."

    [all]
    population = "vehicles"

    [csi_cell]
    site = "munich"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin_envs.base.errors import ConfigurationError, check_keys, hint
from twin_envs.base.registry import Registry

PACKAGED = Path(__file__).resolve().parents[2] / "scenarios"
"""Folder of the scenarios that ship with the package."""
EVERY = "all"
"""The table of options of every environment."""
FAMILIES = ("csi_cell", "association", "beams")
"""Families of decisions, each with a table of its own."""
_DESCRIPTION = "description"

scenarios: Registry[Callable[[], Path | str]] = Registry("scenario", "twin_envs.scenarios", takes=())
"""Scenarios that come with somebody's package: each a function that gives the path of a TOML file."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario as its file has it.

    Attributes:
        name: as it was asked for.
        description: of what it is, a sentence or more.
        tables: its options, by table: `EVERY`, and each family that it is for.
    """

    name: str
    description: str
    tables: Mapping[str, Mapping[str, Any]]

    @property
    def families(self) -> list[str]:
        """Families of decisions that it is for."""
        return [table for table in self.tables if table != EVERY]

    def options(self, family: str) -> dict[str, Any]:
        """Its options for the environments of a family; those for all, if it is "".

        Raises:
            ConfigurationError: it is none for these; the message names those that are.
        """
        if family and family not in self.tables:
            others = [name for name in scenario_names() if family in load_scenario(name).tables]
            raise ConfigurationError(
                f"scenario must be one with a table [{family}], such as {', '.join(map(repr, others)) or 'your own'}, "
                f"got {self.name!r}, which has {', '.join(f'[{known}]' for known in self.families) or 'none'}"
            )
        return {**self.tables.get(EVERY, {}), **self.tables.get(family, {})}


def scenario_names() -> list[str]:
    """Names of all scenarios: those that ship, then those of installed packages."""
    return list(dict.fromkeys([*_packaged(), *scenarios.names()]))


def load_scenario(name: str, families: Iterable[str] = FAMILIES) -> Scenario:
    """The scenario of a name, or in a file.

    Args:
        name: of one that ships or that a package has, `"module:object"` of a function that gives a file's path, or that
            path itself, `.toml`.
        families: tables that it may have beside `EVERY`.

    Raises:
        ConfigurationError: there is none, or its file has another form; the message names the nearest.
    """
    path = _file(name)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"scenario must be a name or the path of a TOML file, got {name!r}: {error}") from None
    said = f"scenario {name!r}"
    check_keys(said, data, [_DESCRIPTION, EVERY, *families])
    description = data.pop(_DESCRIPTION, None)
    if not isinstance(description, str) or not description.strip():
        raise ConfigurationError(f"{said}: {_DESCRIPTION} must be a text, got {description!r}")
    for table, options in data.items():
        if not isinstance(options, dict):
            raise ConfigurationError(f"{said}: {table} must be a table, got {options!r}")
    if not set(data) - {EVERY}:
        raise ConfigurationError(f"{said} must have a table for a family, one of {', '.join(families)}, got none")
    tables = {table: _placed(options, path.parent) for table, options in data.items()}
    return Scenario(name=name, description=description.strip(), tables=tables)


def _packaged() -> dict[str, Path]:
    return {path.stem: path for path in sorted(PACKAGED.glob("*.toml"))}


def _file(name: object) -> Path:
    """Where a scenario is."""
    names = scenario_names()
    if isinstance(name, str):
        if name.endswith(".toml"):
            return Path(name).expanduser()
        if name in _packaged():
            return _packaged()[name]
        if name in scenarios or ":" in name:
            return Path(scenarios.get(name)())
    raise ConfigurationError(
        f"scenario must be one of {', '.join(map(repr, names))}, the path of a file of your own, .toml, or "
        f"'module:object', got {name!r}{hint(name, names)}"
    )


def _placed(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options whose site, where it is the path of a folder, is found from the scenario's own folder."""
    site = options.get("site")
    if not isinstance(site, str) or ":" in site or Path(site).name == site:
        return dict(options)
    return {**options, "site": str(folder / Path(site).expanduser())}
