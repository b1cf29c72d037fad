"""What a cell with beams can be configured to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.csi.beams.codebook import BEAMS
from twin_envs.envs.core.configuration import CommissionedConfig
from twin_envs.twin.registry import channel_twins

MOST_BLOCKERS = 8
CAR_LOSS_DB = {"open": 0.0, "plain": 9.0, "metallised": 20.0}
"""Mean loss through the windows of a vehicle (TR 38.901, 7.4.3.2)."""


@dataclass(frozen=True, kw_only=True)
class BeamConfig(CommissionedConfig):
    """Options of `BeamSelection`.

    Args:
        site: name of a built site, or path of its folder; its arrays need 16 to 64 antennas, its carrier 120 kHz.
        num_ue: UEs of the cell, 1 to 16; they share its time evenly.
        tdd_pattern: slots that repeat: `D` down, `S` special, `U` up (see `csi.nr.tdd`). The default sends up where
            SSBs of 120 kHz leave room for it (TS 38.213, 4.1).
        cycle_slots: each UE wakes up once in this many slots, 20 to 100,000. The default of 20,480 slots is 2.56 s at
            120 kHz, a paging cycle (TS 38.331, defaultPagingCycle rf256).
        burst_slots: how long a UE is served then, 2 to 10,000; all bursts must fit into the cycle. The default of 80
            slots, 10 ms, is what a file of 0.5 MB takes at 4 bit/s/Hz of 100 MHz (TR 38.802, table A.2.1-1).
        ssb_beams: SSBs of a burst, each a wide beam of neighbouring beams of a row; as many as there are beams, or that
            number divided by a factor of the array's columns. The array sends one beam at a time, so 64 SSBs take 15 %
            of what goes down; 16 take 4 %, a quarter as strong.
        symbols_per_beam: OFDM symbols that a swept beam takes of the whole carrier, 1 to 4: those of its CSI-RS (TS
            38.214, 5.1.6.1.2).
        ssb_report: UEs report the strongest SSBs when they wake up, and the strongest one's beam serves until a better
            one is found; without a report the beam of their last burst does.
        uplink_price: resource elements of the downlink that one of the uplink is worth, 0 to 100.
        blockers: people round each pedestrian, or vehicles round each vehicle, that may block its paths, 0 to 8.
        self_blocking: a pedestrian's own body blocks what arrives from behind (TR 38.901, 7.6.4.1).
        car_windows: what the windows of vehicles take from all that arrives (TR 38.901, 7.4.3.2): `plain`, 9 dB in the
            mean, `metallised`, 20 dB, or `open`, nothing.
        neighbour_load: share of the time in which every other AP transmits, 0 to 1.
        gnss_bias_m: what lasts of a position's error in each axis, 0 to 100 m. The default is for receivers that take
            corrections from the network (GNSS assistance for RTK, TS 37.355): with it half of all positions in these
            streets are good to 0.6 m and 9 in 10 to 1.3 m. A phone without them has 2.5 m.
        commissioning_places: places, 0 to 10,000, at which a channel sounder measured knowledge, beam by beam, when the
            site was commissioned; none by default, so that a `channel_twin` is what was traced. One that knows nothing
            but what it has learnt needs 10 or more.
        calibration_sweeps: sweeps of all beams that were measured for each AP when it was commissioned, 0 to 200, to
            find out where its array really points; 0 leaves the twins as they are.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    family: ClassVar[str] = "beams"
    site: str = "munich-28ghz"
    num_ue: int = 6
    tdd_pattern: str = "DDDDDDDDSU"
    episode_slots: int = 100_000
    cycle_slots: int = 20_480
    burst_slots: int = 80
    ssb_beams: int = 16
    symbols_per_beam: int = 1
    ssb_report: bool = True
    uplink_price: float = 1.0
    blockers: int = 4
    self_blocking: bool = True
    car_windows: str = "plain"
    neighbour_load: float = 0.1
    gnss_bias_m: float = 0.4
    commissioning_places: int = 0
    calibration_sweeps: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("cycle_slots", self.cycle_slots, 20, 100_000, integer=True)
        check_number("burst_slots", self.burst_slots, 2, 10_000, integer=True)
        check_number("ssb_beams", self.ssb_beams, 1, BEAMS[-1], integer=True)
        check_number("symbols_per_beam", self.symbols_per_beam, 1, 4, integer=True)
        check_choice("ssb_report", self.ssb_report, (True, False))
        check_number("uplink_price", self.uplink_price, 0.0, 100.0)
        check_number("blockers", self.blockers, 0, MOST_BLOCKERS, integer=True)
        check_choice("self_blocking", self.self_blocking, (True, False))
        check_choice("car_windows", self.car_windows, tuple(CAR_LOSS_DB))
        check_number("neighbour_load", self.neighbour_load, 0.0, 1.0)
        check_number("gnss_bias_m", self.gnss_bias_m, 0.0, 100.0)
        check_number("calibration_sweeps", self.calibration_sweeps, 0, 200, integer=True)


@dataclass(frozen=True, kw_only=True)
class FidelityConfig(BeamConfig):
    """Options of `TwinFidelity`, besides those of `BeamSelection`.

    Args:
        site: name of a built site, or path of its folder; it must say how long its twins take to answer.
        twin: the world that tells the agent whether there is line of sight, without being asked; `quickest` is the one
            that answers soonest.
        burst_slots: the shortest time for which a UE is served then, 2 to 10,000; each burst is once, twice, four,
            eight or sixteen times as long, as it is drawn, and all must fit into the cycle. The default makes them 20
            to 320 ms at 120 kHz.
        learnt_twins: channel twins that can be asked beside the traced worlds, with `+` between, such as
            `"neural+kriging"`, or None; those that learn do so at `commissioning_places`.
        learnt_latency_s: how long each of these takes to answer on the machine that built the site, 1e-6 to 10 s. The
            default is what the slowest of ours takes for one UE on one core of a busy machine.
        latency_scale: how much slower the twins answer than was measured when the site was built, 0.001 to 1,000. The
            default is for a server three times as fast as the two cores that built the default site.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    twin: str = "quickest"
    burst_slots: int = 160
    learnt_twins: str | None = None
    learnt_latency_s: float = 8e-3
    latency_scale: float = 0.33

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_learnt(self.learnt_twins)
        check_number("learnt_latency_s", self.learnt_latency_s, 1e-6, 10.0)
        check_number("latency_scale", self.latency_scale, 0.001, 1000.0)


def learnt_names(learnt_twins: str | None) -> list[str]:
    """The channel twins that are named with `+` between; none where there is nothing."""
    return [] if learnt_twins is None else learnt_twins.split("+")


def _check_learnt(learnt_twins: object) -> None:
    if not isinstance(learnt_twins, str | None):
        raise ConfigurationError(f"learnt_twins must be names with '+' between, as a text, got {learnt_twins!r}")
    names = learnt_names(learnt_twins)
    for name in names:
        try:
            channel_twins.get(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"learnt_twins must name channel twins, got {learnt_twins!r}: {error}") from None
    if len(set(names)) < len(names):
        raise ConfigurationError(f"learnt_twins must be named once each, got {learnt_twins!r}")
