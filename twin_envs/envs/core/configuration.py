"""What every environment, and a cell, can be configured to be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from twin_envs.base.errors import ConfigurationError, check_choice, check_keys, check_number
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.overhead import CSI_RS_DENSITIES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

REPORT_PERIODS_SLOTS = (4, 5, 8, 10, 16, 20, 40, 80, 160, 320)
"""Report periods of NR [slots] (TS 38.331, CSI-ReportPeriodicityAndOffset)."""
POPULATIONS = ("any", "walkers", "vehicles", "mixed")
Config = TypeVar("Config", bound="DataclassInstance")
LARGEST_POPULATION = 16
"""Half the antennas: with more UEs zero forcing has too few of them left to null with."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentConfig:
    """Options of every environment.

    Args:
        site: name of a built site, or path of its folder.
        world: the world in which the UEs live; a twin world to train in the twin.
        twin: the world that the network's twin is.
        num_ue: UEs, 1 to 16.
        population: who they are. `walkers`: 7 in 10 walk, the others stand; `vehicles`: 7 in 10 drive, the others are
            parked; `mixed`: each UE is a walker or a vehicle with equal chance; `any`: each episode one of these.
        episode_slots: length of an episode, 100 to 100,000 slots.
        link: `nr` (MCS, block errors, outer loop) or `shannon`.
        bler_target: share of blocks that link adaptation may lose, 0.001 to 0.5.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    site: str
    world: str = "reality"
    twin: str = "twin"
    num_ue: int
    population: str = "any"
    episode_slots: int
    link: str = "nr"
    bler_target: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.site, str):
            raise ConfigurationError(f"site must be a name or the path of a folder, as a text, got {self.site!r}")
        check_number("num_ue", self.num_ue, 1, LARGEST_POPULATION, integer=True)
        check_choice("population", self.population, POPULATIONS)
        check_number("episode_slots", self.episode_slots, 100, 100_000, integer=True)
        check_choice("link", self.link, ("nr", "shannon"))
        check_number("bler_target", self.bler_target, 0.001, 0.5)


@dataclass(frozen=True, kw_only=True)
class CellConfig(EnvironmentConfig):
    """Options of every environment about CSI in one cell.

    Args:
        uplink_period_slots: the cell's uplink has one opportunity to report in this many slots, 1 to 320. The default
            is one in each 10 slots (5 ms at 30 kHz), the TDD pattern with which most mid-band networks run: its uplink
            slots carry one report of hundreds of bits on PUSCH beside the data.
        uplink_bits: what one such opportunity carries, 16 to 100,000 bits. A longer report takes as many in a row as it
            needs, and the cell knows the channel only after the last. The default carries any codeword at once.
        uplink_price: resource elements of the downlink that one of the uplink is worth, 0 to 100.
        codec: name of the codec that compresses CSI; it must come with the site.
        codeword_bits: bits of a report's codeword, where the agent does not decide it and until it first does.
        pilot_density: resource elements of CSI-RS per port and resource block, one of 1.0, 0.5, 0.25, 0.125, 0.0625,
            where the agent does not decide it and until it first does.
        dmrs_additional: additional DM-RS positions in a slot, 0 to 3, where the agent does not decide them and until
            it first does.
        estimator: `lmmse`, with the twin's delay and angle profile as prior, or `ls`.
        frequency_tracking: whether UEs follow the mean frequency that they receive, as NR's do. Otherwise Doppler
            shifts count in full between DM-RS symbols, not only the differences between paths.
        neighbour_load: share of the time in which every other AP transmits, 0 to 1.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    site: str = "munich"
    num_ue: int = 10
    episode_slots: int = 2000
    uplink_period_slots: int = 10
    uplink_bits: int = 1024
    uplink_price: float = 1.0
    codec: str = "csinet"
    codeword_bits: int = 512
    pilot_density: float = 1.0
    dmrs_additional: int = 0
    estimator: str = "lmmse"
    frequency_tracking: bool = True
    neighbour_load: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("uplink_period_slots", self.uplink_period_slots, 1, 320, integer=True)
        check_number("uplink_bits", self.uplink_bits, 16, 100_000, integer=True)
        check_number("uplink_price", self.uplink_price, 0.0, 100.0)
        check_choice("pilot_density", self.pilot_density, CSI_RS_DENSITIES)
        check_number("dmrs_additional", self.dmrs_additional, 0, len(DMRS_SYMBOLS) - 1, integer=True)
        check_choice("estimator", self.estimator, ("lmmse", "ls"))
        check_choice("frequency_tracking", self.frequency_tracking, (True, False))
        check_number("neighbour_load", self.neighbour_load, 0.0, 1.0)


def parse_options(kind: type[Config], options: dict[str, Any]) -> Config:
    """A configuration of type `kind` from keyword arguments; an unknown one is refused with the nearest name."""
    check_keys("the environment", options, [f.name for f in dataclasses.fields(kind)])
    return kind(**options)
