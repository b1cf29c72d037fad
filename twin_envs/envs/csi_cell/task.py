"""Decisions about the CSI of the UE that has just reported: what they share."""

from __future__ import annotations

from abc import abstractmethod

import torch

from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT, observe_csi
from twin_envs.envs.csi_cell.snapshot import cell_snapshot
from twin_envs.envs.csi_cell.view import CsiCellView

CSI_TERMS = {
    "delivered": torch.float32,
    "pilot_cost": torch.float32,
    "feedback_cost": torch.float32,
    "elapsed_slots": torch.int64,
    "csi_age_slots": torch.int64,
    "bler": torch.float32,
    "outage": torch.float32,
}
"""What is told of a window of a cell, by its type."""


class CsiTask(Task):
    """A step is one report by one UE; the action is about its next one."""

    options = CellConfig
    core: CsiCell
    network: CsiCellView
    actions: CsiActions
    terms = CSI_TERMS

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        core = CsiCell(config, num_envs, device)
        actions = self.choices(core.network)
        super().__init__(core, CSI_LAYOUT, actions.space, actions)

    @staticmethod
    @abstractmethod
    def choices(network: CsiCellView) -> CsiActions:
        """What the agent can choose in these cells."""

    @abstractmethod
    def describe_decision(self, row: int, ue: int) -> str:
        """What was decided about UE `ue` in environment `row`, in words that follow "UE 3: "."""

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `CSI_LAYOUT`."""
        return observe_csi(self.network, rows, ue)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the cells run until their next report."""
        return self.core.step(rows, self.actions.decode(actions))

    def snapshot(self, row: int) -> Snapshot:
        """The cell, and what was decided about the UE that had reported before."""
        state = self.network.state
        ue = int(state.decided[row])
        decision = "" if ue < 0 else f"UE {ue}: {self.describe_decision(row, ue)}"
        return cell_snapshot(self.network, row, decision, deciding=int(state.turn[row]))
