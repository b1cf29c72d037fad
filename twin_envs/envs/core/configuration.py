"""What every environment can be configured to be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args, get_type_hints

from twin_envs.base.errors import ConfigurationError, check_choice, check_keys, check_keywords, check_number
from twin_envs.csi.nr.tdd import check_pattern
from twin_envs.envs.core.plain import plain, whole
from twin_envs.envs.core.scenario import EVERY, FAMILIES, load_scenario
from twin_envs.world.motion import POPULATIONS
from twin_envs.world.recipe import SiteRecipe
from twin_envs.world.sensing.registry import DEFAULT_SENSORS, make_sensors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")
LARGEST_POPULATION = 16
"""Half the antennas of `munich`: with more UEs zero forcing has too few of them left to null with."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentConfig:
    """Options of every environment.

    Args:
        site: name of a built site, or path of its folder.
        world: the world in which the UEs live; a twin world to train in the twin.
        twin: the world that the network's twin is.
        channel_twin: what the network's twin is: `traced`, `residual`, `calibrated`, `path-loss`, `inverse-distance`,
            `kriging`, `neural-coordinates`, `neural-synthetic`, `neural`, `federated`, `semantic`, or
            `"module:object"` (see `twin_envs.channel_twins`).
        num_ue: UEs, 1 to 16.
        population: who they are. `walkers`: 7 in 10 walk, the others stand; `vehicles`: 7 in 10 drive, the others are
            parked; `mixed`: each UE is a walker or a vehicle with equal chance; `any`: each episode one of these.
        episode_slots: length of an episode, 100 to 100,000 slots.
        link: `nr` (MCS, block errors, outer loop) or `shannon`.
        bler_target: share of transport blocks that link adaptation may lose, 0.001 to 0.5.
        tdd_pattern: slots that repeat: `D` down, `S` special, `U` up (see `csi.nr.tdd`).
        mobility: how UEs move: `routes`, or `"module:object"` (see `twin_envs.mobilities`).
        sensors: what tells where UEs are, with `+` between: `gnss`, which must be among them, and `imu` are in the UE;
            `camera`, `radar`, or `"module:object"` (see `twin_envs.sensors`) are at every AP.
        transmit_power_dbm: of an AP over the whole carrier, -30 to 60 dBm; None for what the site's recipe says.
        noise_figure_db: of a UE, 0 to 30 dB; None for what the site's recipe says.
        ue_power_dbm: of a UE, -40 to 40 dBm. The default is power class 3 (TS 38.101-1, 6.2.1).

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    family: ClassVar[str] = ""
    """The table of a scenario that is for these environments beside that for all."""
    site: str
    world: str = "reality"
    twin: str = "twin"
    channel_twin: str = "traced"
    num_ue: int
    population: str = "any"
    episode_slots: int
    link: str = "nr"
    bler_target: float = 0.1
    tdd_pattern: str = "DDDSU"
    mobility: str = "routes"
    sensors: str = DEFAULT_SENSORS
    transmit_power_dbm: float | None = None
    noise_figure_db: float | None = None
    ue_power_dbm: float = 23.0

    def __post_init__(self) -> None:
        if not isinstance(self.site, str):
            raise ConfigurationError(f"site must be a name or the path of a folder, as a text, got {self.site!r}")
        check_number("num_ue", self.num_ue, 1, LARGEST_POPULATION, integer=True)
        check_choice("population", self.population, POPULATIONS)
        check_number("episode_slots", self.episode_slots, 100, 100_000, integer=True)
        check_choice("link", self.link, ("nr", "shannon"))
        check_number("bler_target", self.bler_target, 0.001, 0.5)
        check_pattern(self.tdd_pattern)
        make_sensors(self.sensors)
        if self.transmit_power_dbm is not None:
            check_number("transmit_power_dbm", self.transmit_power_dbm, -30.0, 60.0)
        if self.noise_figure_db is not None:
            check_number("noise_figure_db", self.noise_figure_db, 0.0, 30.0)
        check_number("ue_power_dbm", self.ue_power_dbm, -40.0, 40.0)

    def budget(self, recipe: SiteRecipe) -> SiteRecipe:
        """The recipe of a site with the link budget that is asked for."""
        asked = {name: getattr(self, name) for name in ("transmit_power_dbm", "noise_figure_db")}
        return dataclasses.replace(recipe, **{name: value for name, value in asked.items() if value is not None})


COMMISSIONING_PLACES = 64
"""Places at which a site is commissioned by default."""


@dataclass(frozen=True, kw_only=True)
class CommissionedConfig(EnvironmentConfig):
    """Options of every environment whose network measures knowledge before it begins.

    Args:
        commissioning_places: places, 0 to 10,000, at which a channel sounder measured knowledge when the site was
            commissioned: from it the twin learns its own error, and a `channel_twin` that learns, all that it knows,
            which takes 10 or more.
    """

    commissioning_places: int = COMMISSIONING_PLACES

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("commissioning_places", self.commissioning_places, 0, 10_000, integer=True)


SCENARIO = "scenario"
"""The argument that stands for options of a scenario."""


def parse_options(kind: type[Config], options: dict[str, Any]) -> Config:
    """A configuration of type `kind` from keyword arguments: NumPy's scalars are taken as Python's, 4.0 for 4.

    Options of a scenario come first, those that are given beside it win.

    Raises:
        UnknownOption: there is none of that name; the message names the nearest.
        ConfigurationError: an option is outside its range, or the scenario is none for these environments.
    """
    names = [f.name for f in dataclasses.fields(kind)]
    check_keywords("the environment", options, [*names, SCENARIO])
    given = {name: value for name, value in options.items() if name != SCENARIO}
    scenario = plain(options.get(SCENARIO))
    if scenario is None:
        return _typed(kind, given)
    chosen = _of_scenario(kind, scenario, names)
    try:
        return _typed(kind, {**chosen, **given})
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; scenario {scenario!r} says {chosen!r}") from None


def _of_scenario(kind: type[Any], scenario: Any, names: list[str]) -> dict[str, Any]:
    """The options of a scenario, none of them unknown, for environments whose options are `names`."""
    family = getattr(kind, "family", "")
    found = load_scenario(scenario, dict.fromkeys([*FAMILIES, *filter(None, [family])]))
    check_keys(f"[{EVERY}] of scenario {scenario!r}", found.tables.get(EVERY, {}), _every_environment())
    chosen = found.options(family)
    check_keys(f"[{family}] of scenario {scenario!r}", chosen, names)
    return chosen


def _every_environment() -> list[str]:
    """Options that every environment has."""
    return [f.name for f in dataclasses.fields(EnvironmentConfig)]


def _typed(kind: type[Config], options: dict[str, Any]) -> Config:
    types = get_type_hints(kind)
    counts = {name for name, type_ in types.items() if int in (type_, *get_args(type_))}
    return kind(**{name: whole(value) if name in counts else plain(value) for name, value in options.items()})
