"""What a cell that acquires CSI can be configured to be."""

from __future__ import annotations

from dataclasses import dataclass

from twin_envs.base.errors import check_choice, check_number
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.overhead import CSI_RS_DENSITIES
from twin_envs.envs.core.configuration import EnvironmentConfig

REPORT_PERIODS_SLOTS = (4, 5, 8, 10, 16, 20, 40, 80, 160, 320)
"""Report periods of NR [slots] (TS 38.331, CSI-ReportPeriodicityAndOffset)."""


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
