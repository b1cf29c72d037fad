"""PilotDensity: which CSI-RS does the UE that has reported measure next, and with how many DM-RS is it sent data?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from twin_envs.base.errors import check_choice
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.training import Training
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.checks import check_own_pilots
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS, CellConfig
from twin_envs.envs.csi_cell.documentation import CSI_SECTIONS
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.envs.csi_cell.snapshot import describe_pilots
from twin_envs.envs.csi_cell.task import CsiTask
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


@dataclass(frozen=True, kw_only=True)
class PilotDensityConfig(CellConfig):
    """Options of PilotDensity: those of `CellConfig`, and

    Args:
        csi_rs: only `aperiodic`, for the agent decides how dense a report's CSI-RS are.
        report_period_slots: every UE reports with this period [slots], one of 4, 5, 8, 10, 16, 20, 40, 80, 160, 320.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    chooses_ports: ClassVar[bool] = True
    csi_rs: str = "aperiodic"
    report_period_slots: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        check_own_pilots(self)
        check_choice("report_period_slots", self.report_period_slots, REPORT_PERIODS_SLOTS)


class PilotDensity(CsiTask):
    """The agent chooses CSI-RS and DM-RS; report period and codeword length are fixed."""

    training = Training(steps=60_000)
    options = PilotDensityConfig

    @staticmethod
    def choices(network: CsiCellView) -> CsiActions:
        """Action 4 r + a: the r-th of `csi_rs_choices`, a additional positions; the rest as configured."""
        config = cast(PilotDensityConfig, network.config)
        return CsiActions(network, periods_slots=(config.report_period_slots,), pilots=True, fewer_ports=True)

    def describe_decision(self, row: int, ue: int) -> str:
        """Its next CSI-RS, and its DM-RS until then."""
        return describe_pilots(self.network, row, ue)


class PilotDensityEnv(TaskEnv):
    """Which CSI-RS does the UE that has just reported measure next, and with how many DM-RS is it sent data until then?

    ## Description

    A cell of a ray-traced site serves several UEs at once by precoding. Two kinds of pilots cost it resource elements.
    From CSI-RS, triggered for each of its reports, a UE estimates its channel: the sparser they are in frequency, the
    more noise the estimate holds, and the sooner late echoes fold into early ones. With a port for each antenna the UE
    sees all of its channel; fewer ports are sent through the beams in which the network's twin expects most of the
    UE's power, or in which its last report had it where the twin knows nothing, and the UE sees no other. From DM-RS it
    estimates its precoded channel to equalise each slot's data: with few of them a fast UE's channel has turned before
    the slot is over. Each time a UE has reported, the agent chooses the CSI-RS of its next report and the additional
    DM-RS positions of its data until then. It sees what the network sees: reports, sensed motion, and what the
    network's digital twin knows.

    With the default options there is next to nothing to gain: only exact CSI tells ten UEs apart, so every port is
    worth its pilots, and with a report in 40 slots half density costs a few per cent of the downlink. Pilots are worth
    a decision where `report_period_slots` is short, UEs are few or weak, or `frequency_tracking` is off.

    ## Action Space

    `Discrete(20)` with 32 antennas: action 4 r + a has the r-th of five CSI-RS, of 32 ports with density 1 or 1/2 per
    port and resource block, 16 with 1 or 1/2 and 8 with 1 (TS 38.211, table 7.4.1.5.3-1), and a additional DM-RS
    positions, 0 to 3. With `beyond_nr=True` it is `Discrete(32)`: after 1/2, 32 ports have the densities 1/4, 1/8 and
    1/16, too.

    ## Rewards

    {usual} Windows differ in length; see Training.
    """

    task_type = PilotDensity


class PilotDensityVectorEnv(TaskVectorEnv):
    """B `PilotDensityEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = PilotDensity


document(PilotDensityEnv, CSI_LAYOUT, CSI_SECTIONS)
