"""What a cell that acquires CSI can be configured to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin_envs.base.errors import check_choice, check_number
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.overhead import CSI_RS_DENSITIES, NR_DENSITIES
from twin_envs.csi.scheduling import DMRS_TYPES, dmrs_ports
from twin_envs.envs.core.configuration import CommissionedConfig

CSI_RS_PERIODS_SLOTS = (4, 5, 8, 10, 16, 20, 32, 40, 64, 80, 160, 320)
"""Periods of CSI-RS in NR [slots] (TS 38.331, CSI-ResourcePeriodicityAndOffset)."""
ESTIMATORS = ("lmmse", "lmmse-mean", "pursuit", "paths-net", "twin-net", "ls", "perfect")
_DMRS_RELEASE = 18
REPORT_PERIODS_SLOTS = (4, 5, 8, 10, 16, 20, 40, 80, 160, 320)
"""Report periods of NR [slots] (TS 38.331, CSI-ReportPeriodicityAndOffset)."""


@dataclass(frozen=True, kw_only=True)
class CellConfig(CommissionedConfig):
    """Options of every environment about CSI in one cell.

    Args:
        csi_uplink_share: share of the uplink's resource blocks that is for CSI reports, 0.001 to 1. What is not used
            is kept for later reports, up to a slot's blocks. The default is what is left to the served UEs' CSI where
            control information, scheduling requests and the CSI of all other connected UEs share a tenth of the uplink.
        uplink_price: resource elements of the downlink that one of the uplink is worth, 0 to 100.
        codec: name of the codec that compresses CSI. `path`, the default, names the strongest paths and works at any
            site. It carries most for the time that it takes. A network, such as `csinet`, must come with the site.
        codeword_bits: bits of a report's codeword, where the agent does not decide it and until it first does; None for
            the codec's longest.
        csi_rs: `periodic`: one CSI-RS of the cell in every `csi_rs_period_slots`, which all UEs measure and the cell
            pays once; or `aperiodic`: a CSI-RS for each report, triggered for one UE, which pays for it.
        csi_rs_period_slots: one of 4, 5, 8, 10, 16, 20, 32, 40, 64, 80, 160, 320 (TS 38.331,
            CSI-ResourcePeriodicityAndOffset).
        pilot_density: resource elements of CSI-RS per port and resource block: 1.0 or 0.5, and 0.25, 0.125 or 0.0625
            where `beyond_nr` says so. Of aperiodic CSI-RS: where the agent does not decide it and until it first does.
        beyond_nr: whether CSI-RS may be sparser than TS 38.211, table 7.4.1.5.3-1, has them.
        dmrs_additional: additional DM-RS positions in a slot, 0 to 3, where the agent does not decide them and until
            it first does.
        estimator: `lmmse`, with the delay and angle profile that the twin expects at the sensed position as prior;
            `lmmse-mean`, with the mean profile of the site, whatever the position; `pursuit`, the paths that stand out
            of the noise, and `lmmse-mean` for what is left; `paths-net`, paths that lie anywhere, weighed by a
            network; `twin-net`, the same with the paths that the twin expects; `ls`, least squares without a prior; or
            `perfect`, the channel as it is: a bound, which nobody could build.
        prediction: name of what turns reports into the channels that the cell expects: `hold-aged`, the channel as it
            was reported, with an error that grows with its age; `hold`, without; `wiener`, `twin-paths`, `paths-net`
            or `twin-net` (see `csi.prediction`).
        frequency_tracking: whether UEs follow the mean frequency that they receive, as NR's do. Otherwise Doppler
            shifts count in full between DM-RS symbols, not only the differences between paths.
        scheduler: who shares a slot. `all`: every UE, whatever PDCCH has room for. `proportional-fair`: the UEs that
            are worth most together by the CSI that the cell has, each UE's rate over what it got on average (see
            `csi.scheduling`); as many as there are DM-RS ports and PDCCH has room for.
        dmrs_type: configuration type of DM-RS, 1 or 2; with its enhanced form (Release 18) one symbol has 8 or 12
            ports, one for each UE.
        neighbour_load: share of the time in which every other AP transmits, 0 to 1.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    family: ClassVar[str] = "csi_cell"
    chooses_ports: ClassVar[bool] = False
    """Whether a CSI-RS may have fewer ports than there are antennas, because the agent decides that."""
    site: str = "munich"
    num_ue: int = 10
    episode_slots: int = 2000
    csi_uplink_share: float = 0.02
    uplink_price: float = 1.0
    codec: str = "path"
    codeword_bits: int | None = None
    csi_rs: str = "periodic"
    csi_rs_period_slots: int = 10
    pilot_density: float = 1.0
    beyond_nr: bool = False
    dmrs_additional: int = 0
    estimator: str = "lmmse"
    prediction: str = "hold-aged"
    frequency_tracking: bool = True
    scheduler: str = "proportional-fair"
    dmrs_type: int = 2
    neighbour_load: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("csi_uplink_share", self.csi_uplink_share, 0.001, 1.0)
        check_number("uplink_price", self.uplink_price, 0.0, 100.0)
        check_choice("csi_rs", self.csi_rs, ("periodic", "aperiodic"))
        check_choice("csi_rs_period_slots", self.csi_rs_period_slots, CSI_RS_PERIODS_SLOTS)
        check_choice("beyond_nr", self.beyond_nr, (True, False))
        check_choice("pilot_density", self.pilot_density, self.pilot_densities)
        check_number("dmrs_additional", self.dmrs_additional, 0, len(DMRS_SYMBOLS) - 1, integer=True)
        check_choice("estimator", self.estimator, ESTIMATORS)
        check_choice("frequency_tracking", self.frequency_tracking, (True, False))
        check_choice("scheduler", self.scheduler, ("all", "proportional-fair"))
        check_choice("dmrs_type", self.dmrs_type, DMRS_TYPES)
        check_number("neighbour_load", self.neighbour_load, 0.0, 1.0)

    @property
    def most_at_once(self) -> int:
        """UEs that may share a slot: each has a DM-RS port of its own."""
        return dmrs_ports(self.dmrs_type, 1, _DMRS_RELEASE)

    @property
    def pilot_densities(self) -> tuple[float, ...]:
        """Densities of CSI-RS that may be used."""
        return CSI_RS_DENSITIES if self.beyond_nr else NR_DENSITIES
