"""Decisions about the CSI of the UE that has just reported: what they share."""

from __future__ import annotations

from abc import abstractmethod

import torch

from twin_envs.envs.cell import Cell, Decision, Outcome
from twin_envs.envs.configuration import CellConfig
from twin_envs.envs.observation import CSI_LAYOUT, observe_csi
from twin_envs.envs.task import Step, Task


class CsiTask(Task):
    """A step is one report by one UE; the action is about its next one."""

    options = CellConfig
    layout = CSI_LAYOUT

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        self.core: Cell = Cell(config, num_envs, device)

    @abstractmethod
    def decide(self, actions: torch.Tensor) -> Decision:
        """What the actions [N, ...] decide."""

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE that has just reported."""
        return self.core.known.reporter[rows]

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `CSI_LAYOUT`."""
        return observe_csi(self.core, rows, ue)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the cells run until their next report."""
        return describe_outcome(self.core.step(rows, self.decide(actions)), self.core.known.reporter[rows])


def describe_outcome(outcome: Outcome, reporter: torch.Tensor) -> Step:
    """A window of N cells as a step; UE `reporter` [N] made the report at its end."""
    by_ue = outcome.delivered_by_ue.clone()
    by_ue.scatter_add_(1, reporter[:, None], -(outcome.pilot_cost + outcome.feedback_cost)[:, None])
    return Step(
        by_ue=by_ue,
        truncated=outcome.truncated,
        info={
            "delivered": outcome.delivered,
            "pilot_cost": outcome.pilot_cost,
            "feedback_cost": outcome.feedback_cost,
            "elapsed_slots": outcome.elapsed_slots,
            "csi_age_slots": outcome.csi_age_slots,
            "ue": reporter,
        },
    )
