"""CsiProtocol: everything about the next report of the UE that has just reported, and about its DM-RS until then."""

from __future__ import annotations

from dataclasses import dataclass

from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.training import Training
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.checks import check_own_pilots
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.documentation import CSI_SECTIONS
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.envs.csi_cell.snapshot import describe_pilots
from twin_envs.envs.csi_cell.task import CsiTask
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


@dataclass(frozen=True, kw_only=True)
class CsiProtocolConfig(CellConfig):
    """Options of CsiProtocol: those of `CellConfig`, of which it changes

    Args:
        csi_rs: only `aperiodic`, for the agent decides how dense a report's CSI-RS are.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    csi_rs: str = "aperiodic"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_own_pilots(self)


class CsiProtocol(CsiTask):
    """The agent chooses report period, CSI-RS density, DM-RS positions and codeword length."""

    training = Training(
        num_envs=1024,
        rollout_steps=32,
        steps=2_000_000,
    )
    options = CsiProtocolConfig

    @staticmethod
    def choices(network: CsiCellView) -> CsiActions:
        """Indices of period, CSI-RS, additional positions and codeword length."""
        return CsiActions(network, pilots=True, codewords=True, flat=False)

    def describe_decision(self, row: int, ue: int) -> str:
        """When it reports again, with how many bits, and its pilots."""
        state, pilots = self.network.state, describe_pilots(self.network, row, ue)
        return f"in {int(state.period_slots[row, ue])} slots, {int(state.codeword_bits[row, ue])} bits, {pilots}"


class CsiProtocolFlat(CsiProtocol):
    """The same decisions, numbered one after the other."""

    training = Training()

    @staticmethod
    def choices(network: CsiCellView) -> CsiActions:
        """The four indices as one number, the period's first."""
        return CsiActions(network, pilots=True, codewords=True)


class CsiProtocolEnv(TaskEnv):
    """When, on how dense pilots and with how many bits does the UE that has just reported report again?

    ## Description

    A cell of a ray-traced site serves several UEs at once by precoding, so it needs their channel state information
    (CSI). Each report has a CSI-RS of its own, triggered for the UE, which costs downlink, and takes resource blocks of
    the uplink by its bits and the UE's own rate; in between, the CSI ages as the UE moves. All UEs share what the
    uplink has for CSI, `csi_uplink_share` of its blocks: who reports often keeps the others waiting, and so does who
    sends a long codeword over a weak uplink, while a short one is coarse: the cell then loses signal, and UEs catch
    each other's beams. So do sparse CSI-RS. DM-RS, from which a UE equalises its data, cost symbols of every slot. Each
    time a UE has reported, the agent chooses all of them at once. It sees what the network sees: reports, sensed
    motion, and what the network's digital twin knows. `FeedbackInterval` with `csi_rs="aperiodic"`, and `PilotDensity`,
    are this environment with the rest frozen.

    With the default options there is next to nothing to gain. Most UEs' uplink is so strong that one block carries any
    codeword, so the longest costs no more; half density costs a few per cent of the downlink; and all short periods
    come to reports in turn, as in `FeedbackInterval`. `ue_power_dbm` and `csi_uplink_share` say how scarce the uplink
    is.

    ## Action Space

    {action}

    ## Rewards

    {usual} Windows differ in length; see Training.
    """

    task_type = CsiProtocol


class CsiProtocolVectorEnv(TaskVectorEnv):
    """B `CsiProtocolEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = CsiProtocol


class CsiProtocolFlatEnv(TaskEnv):
    __doc__ = CsiProtocolEnv.__doc__
    task_type = CsiProtocolFlat


class CsiProtocolFlatVectorEnv(TaskVectorEnv):
    """B `CsiProtocolFlatEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = CsiProtocolFlat


_CHOICES = """next report after {4, 5, 8, 10, 16, 20, 40, 80, 160, 320}[i] slots, CSI-RS density {1, 1/2}[j] per port
and resource block, k = 0 to 3 additional DM-RS positions, and the l-th length that the codec has: {35, 56, 77, 119,
161, 245, 329}[l] bits at `munich`."""
document(
    CsiProtocolEnv,
    CSI_LAYOUT,
    CSI_SECTIONS,
    action=f"`MultiDiscrete([10, 2, 4, 7])`: i, j, k, l for the {_CHOICES} With `beyond_nr=True` there are five "
    "densities, down to 1/16: `MultiDiscrete([10, 5, 4, 7])`.",
)
document(
    CsiProtocolFlatEnv,
    CSI_LAYOUT,
    CSI_SECTIONS,
    action=f"`Discrete(560)`: 56 i + 28 j + 7 k + l for the {_CHOICES} With `beyond_nr=True` there are five densities, "
    "down to 1/16: `Discrete(1400)`, 140 i + 28 j + 7 k + l.",
)
