"""ReportScheduling: the uplink has room for a report now and then; whose?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import gymnasium
import torch

from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.layout import ObservationLayout, make_fields
from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task
from twin_envs.envs.core.training import Training
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.envs.csi_cell.documentation import CSI_SECTIONS
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT, describe_ues
from twin_envs.envs.csi_cell.snapshot import cell_snapshot
from twin_envs.envs.csi_cell.task import CSI_TERMS
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv

_OF_UE = (
    "speed_logarithm",
    "snr",
    "similarity",
    "reports_apart",
    "acknowledged",
    "bits_per_re",
    "known",
    "twin_los_probability",
    "twin_doppler_spread",
    "twin_coherence_time",
)
_OF_CELL = ("cell_bits_per_re", "csi_uplink_share", "time_left")
_MEANING = """Of UE k, `ue_k_...`: age of the CSI that the cell has of it. snr: of an antenna port, as reported.
similarity: squared cosine of its last two reports, reports_apart slots apart (0: there was one report only).
acknowledged: share of its transport blocks that were decoded at first, in the last window in which it was scheduled;
bits_per_re: what it got in the last window. known: share of its position's distribution for which the twin has a
channel; where it is 0, so are the fields `twin_...`. Of the cell:
cell_bits_per_re: what all UEs got."""


@dataclass(frozen=True, kw_only=True)
class ReportSchedulingConfig(CellConfig):
    """Options of ReportScheduling: those of `CellConfig`, of which it changes

    Args:
        num_ue: UEs of the cell, 1 to 16.
        population: who they are. `walkers`: 7 in 10 walk, the others stand; `vehicles`: 7 in 10 drive, the others are
            parked; `mixed`: each UE is a walker or a vehicle with equal chance, as in a town; `any`: each episode one
            of these. Where all UEs move alike, it matters little who reports.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    num_ue: int = 8
    population: str = "mixed"


def scheduling_layout(num_ue: int) -> ObservationLayout:
    """What the agent sees: for each UE the age of its CSI and what `CSI_LAYOUT` has about it, then about the cell."""
    fields = {field.name: field for field in (*make_fields(("age", "log10 slots", 0, 4)), *CSI_LAYOUT.fields)}
    of_ues = [
        replace(fields[name], name=f"ue_{ue}_{name}", item="ue", of=ue)
        for ue in range(num_ue)
        for name in ("age", *_OF_UE)
    ]
    return ObservationLayout((*of_ues, *(fields[name] for name in _OF_CELL)), _MEANING)


class ReportScheduling(Task):
    """A step is a report; the agent chooses whose the next one is."""

    training = Training(
        remark="PPO scores all UEs by the same weights (`twin_envs.agents.learning.shared`); a plain one is "
        "as bad as random.",
    )
    options = ReportSchedulingConfig
    core: CsiCell
    network: CsiCellView
    terms = CSI_TERMS

    def __init__(self, config: ReportSchedulingConfig, num_envs: int, device: torch.device) -> None:
        core = CsiCell(config, num_envs, device)
        reports = CsiActions(core.network)  # how, not who
        super().__init__(core, scheduling_layout(config.num_ue), gymnasium.spaces.Discrete(config.num_ue), reports)

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `layout`, the same whatever the UE."""
        state, config = self.network.state, self.network.config
        of_ues = describe_ues(self.network, rows[:, None], torch.arange(config.num_ue, device=rows.device))
        values = {f"ue_{k}_{name}": of_ues[name][:, k] for k in range(config.num_ue) for name in ("age", *_OF_UE)}
        now = state.now_slots[rows]
        values["cell_bits_per_re"] = state.bits_per_re[rows].sum(-1)
        values["csi_uplink_share"] = torch.full(now.shape, config.csi_uplink_share, device=now.device).log10()
        values["time_left"] = 1.0 - now / config.episode_slots
        return self.layout.pack(values)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the cells run until UE `actions` [N] reports."""
        return self.core.schedule(rows, actions)

    def snapshot(self, row: int) -> Snapshot:
        """The cell, and who was chosen to report last."""
        ue = int(self.network.state.decided[row])
        decision = "" if ue < 0 else f"UE {ue}: reports in this slot"
        return cell_snapshot(self.network, row, decision, deciding=None)


class ReportSchedulingEnv(TaskEnv):
    """The uplink has room for one report now and then: whose?

    ## Description

    A cell of a ray-traced site serves several UEs at once by precoding, so it needs their channel state information
    (CSI), which ages as they move. But only `csi_uplink_share` of the uplink's resource blocks are for CSI, too few to
    keep everybody's fresh: by default, a block in each uplink slot, which a strong UE's report takes. After each report
    the agent chooses who reports next, in the first uplink slot that has room. The report tells of the last CSI-RS
    five slots or more before (ten at 28 GHz); all UEs measure the same one, which the cell sends periodically. The
    agent sees of every UE what the network sees: the age of its CSI, sensed motion, how its data fared, and what
    the network's digital twin knows of how fast its channel changes.

    ## Action Space

    `Discrete(num_ue)`: the UE that reports next.

    ## Observation Space

    The size depends on the number of UEs.

    {usual}

    ## Rewards

    {usual} Where one block carries any report, all windows but the first and last are about equally long.

    ## Starting State

    An AP of the site and UEs in its coverage are drawn; all have reported at time 0.
    """

    task_type = ReportScheduling


class ReportSchedulingVectorEnv(TaskVectorEnv):
    """B `ReportSchedulingEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = ReportScheduling


document(ReportSchedulingEnv, scheduling_layout(ReportSchedulingConfig.num_ue), CSI_SECTIONS)
