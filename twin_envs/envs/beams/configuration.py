"""What a cell with beams can be configured to be."""

from __future__ import annotations

from dataclasses import dataclass

from twin_envs.envs.configuration import POPULATIONS
from twin_envs.errors import ConfigurationError, check_choice, check_number

LARGEST_POPULATION = 16
MOST_BLOCKERS = 8


@dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """Options of `BeamSelection`.

    Args:
        site: name of a built site, or path of its folder; its arrays need 16 antennas or more.
        world: the world in which the cell lives; a twin world to train in the twin.
        twin: the world that the network's twin is.
        num_ue: UEs of the cell, 1 to 16; they share its time evenly.
        population: who they are. `walkers`: 7 in 10 walk, the others stand; `vehicles`: 7 in 10 drive, the others are
            parked; `mixed`: each UE is a walker or a vehicle with equal chance; `any`: each episode one of these.
        episode_slots: length of an episode, 100 to 100,000 slots.
        beam_period_slots: each UE's beam is decided once in this many slots, 20 to 10,000. The default of 160 slots is
            20 ms at 120 kHz, the period of synchronisation signals that a UE may assume (TS 38.213, 4.1).
        symbols_per_beam: OFDM symbols that a swept beam takes of the whole carrier, 1 to 4: 1 for CSI-RS, as in beam
            refinement (TS 38.214, 5.1.6.1.2), 4 for a synchronisation signal block (TS 38.211, 7.4.3.1).
        blockers: people round each pedestrian, or vehicles round each vehicle, that may block its paths, 0 to 8.
        self_blocking: a pedestrian's own body blocks what arrives from behind (TR 38.901, 7.6.4.1).
        link: `nr` (MCS, block errors, outer loop) or `shannon`.
        bler_target: share of blocks that the cell's link adaptation may lose, 0.001 to 0.5.
        neighbour_load: share of the time in which every other AP transmits, 0 to 1.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    site: str = "munich-28ghz"
    world: str = "reality"
    twin: str = "twin"
    num_ue: int = 6
    population: str = "any"
    episode_slots: int = 16_000
    beam_period_slots: int = 160
    symbols_per_beam: int = 1
    blockers: int = 4
    self_blocking: bool = True
    link: str = "nr"
    bler_target: float = 0.1
    neighbour_load: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.site, str):
            raise ConfigurationError(f"site must be a name or the path of a folder, as a text, got {self.site!r}")
        check_number("num_ue", self.num_ue, 1, LARGEST_POPULATION, integer=True)
        check_choice("population", self.population, POPULATIONS)
        check_number("episode_slots", self.episode_slots, 100, 100_000, integer=True)
        check_number("beam_period_slots", self.beam_period_slots, 20, 10_000, integer=True)
        check_number("symbols_per_beam", self.symbols_per_beam, 1, 4, integer=True)
        check_number("blockers", self.blockers, 0, MOST_BLOCKERS, integer=True)
        check_choice("self_blocking", self.self_blocking, (True, False))
        check_choice("link", self.link, ("nr", "shannon"))
        check_number("bler_target", self.bler_target, 0.001, 0.5)
        check_number("neighbour_load", self.neighbour_load, 0.0, 1.0)
