"""FeedbackInterval: when does the UE that has just reported report again?"""

from __future__ import annotations

from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.training import Training
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.documentation import CSI_SECTIONS
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.envs.csi_cell.task import CsiTask
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


class FeedbackInterval(CsiTask):
    """The agent chooses the report period; pilots, DM-RS and codeword length are fixed."""

    training = Training()

    @staticmethod
    def choices(network: CsiCellView) -> CsiActions:
        """Periods by `REPORT_PERIODS_SLOTS`, the rest as configured."""
        return CsiActions(network)

    def describe_decision(self, row: int, ue: int) -> str:
        """When it reports again."""
        slots = int(self.network.state.period_slots[row, ue])
        return f"reports again in {slots} slots ({1e3 * slots * self.network.slot_s:g} ms)"


class FeedbackIntervalEnv(TaskEnv):
    """When does the UE that has just reported report again?

    ## Description

    A cell of a ray-traced site serves several UEs at once by precoding, so it needs their channel state information
    (CSI). All UEs measure the same CSI-RS, which the cell sends periodically whoever reports; with
    `csi_rs="aperiodic"`, each report has one of its own. A report takes resource blocks of the uplink by its bits and
    the UE's own rate, from a share of the uplink that is for CSI. In between, the CSI ages as the UE moves, and the
    cell loses signal, suffers interference and loses transport blocks. Each time a UE has reported, the agent chooses
    when it reports again. It sees what the network sees: reports, sensed motion, and what the network's digital twin
    knows.

    With the default options little is to be gained. Ten UEs ask for more than a fiftieth of the uplink carries, so
    reports wait for one another, and all short periods come to the same: everybody reports in turn. What is left is who
    may report less often than in turn. `ReportScheduling` decides that outright.

    ## Action Space

    `Discrete(10)`: the next report is due after {4, 5, 8, 10, 16, 20, 40, 80, 160, 320} slots (0.5 ms each at 30 kHz
    subcarrier spacing). It is sent in the first uplink slot from then on that has room for it, the earliest due first,
    and tells of the last CSI-RS five slots or more before.

    ## Rewards

    {usual} Windows differ in length; see Training.

    ## Arguments

    {usual}

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/FeedbackInterval-v1", site="munich", num_ue=6)
    envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=256, world="twin")
    ```
    """

    task_type = FeedbackInterval


class FeedbackIntervalVectorEnv(TaskVectorEnv):
    """B `FeedbackIntervalEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = FeedbackInterval


document(FeedbackIntervalEnv, CSI_LAYOUT, CSI_SECTIONS)
