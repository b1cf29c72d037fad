"""Decisions about the CSI of the UE that has just reported: what they share."""

from __future__ import annotations

from abc import abstractmethod

import torch

from twin_envs.csi.nr.pilots import PILOT_SPACINGS, pilot_spacing
from twin_envs.envs.core.configuration import REPORT_PERIODS_SLOTS, CellConfig
from twin_envs.envs.core.snapshot import View
from twin_envs.envs.core.task import Step, Task
from twin_envs.envs.csi_cell.core import Cell, Decision, Outcome
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT, observe_csi
from twin_envs.envs.csi_cell.snapshot import LastDecision, view_cell


class CsiTask(Task):
    """A step is one report by one UE; the action is about its next one."""

    options = CellConfig
    layout = CSI_LAYOUT

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        self.core: Cell = Cell(config, num_envs, device)
        self._last = LastDecision(self.core)
        self.periods_slots = torch.tensor(REPORT_PERIODS_SLOTS, device=device)
        self.spacings = torch.tensor(PILOT_SPACINGS, device=device)

    @abstractmethod
    def decide(self, actions: torch.Tensor) -> Decision:
        """What the actions [N, ...] decide."""

    @abstractmethod
    def say(self, row: int, ue: int) -> str:
        """What was decided about UE `ue` in environment `row`, in words that follow "UE 3: "."""

    def decision(
        self,
        period_slots: torch.Tensor,
        *,
        spacing: torch.Tensor | None = None,
        codeword_bits: torch.Tensor | None = None,
        dmrs_additional: torch.Tensor | None = None,
    ) -> Decision:
        """A decision, [N] each; what is None is as configured."""
        config = self.core.config

        def chosen(given: torch.Tensor | None, configured: int) -> torch.Tensor:
            return torch.full_like(period_slots, configured) if given is None else given

        return Decision(
            period_slots=period_slots,
            spacing=chosen(spacing, pilot_spacing(config.pilot_density)),
            codeword_bits=chosen(codeword_bits, config.codeword_bits),
            dmrs_additional=chosen(dmrs_additional, config.dmrs_additional),
        )

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE that has just reported."""
        return self.core.known.reporter[rows]

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `CSI_LAYOUT`."""
        return observe_csi(self.core, rows, ue)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the cells run until their next report."""
        ue = self.core.known.reporter[rows]
        outcome = self.core.step(rows, self.decide(actions))
        self._last.remember(rows, ue, outcome)
        return describe_outcome(outcome, self.core.known.reporter[rows])

    def view(self, row: int) -> View:
        """The cell, and what was decided about the UE that had reported before."""
        ue = self._last.ue(row)
        decision = "" if ue is None else f"UE {ue}: {self.say(row, ue)}"
        return view_cell(self.core, row, self._last, decision, deciding=int(self.core.known.reporter[row]))


def describe_outcome(outcome: Outcome, reporter: torch.Tensor) -> Step:
    """A window of N cells as a step; UE `reporter` [N] made the report at its end."""
    by_ue = outcome.delivered_by_ue.clone()
    by_ue.scatter_add_(1, reporter[:, None], -(outcome.pilot_cost + outcome.feedback_cost)[:, None])
    return Step(
        by_ue=by_ue,
        truncated=outcome.truncated,
        info={
            "by_ue": by_ue,
            "delivered": outcome.delivered,
            "pilot_cost": outcome.pilot_cost,
            "feedback_cost": outcome.feedback_cost,
            "elapsed_slots": outcome.elapsed_slots,
            "csi_age_slots": outcome.csi_age_slots,
            "ue": reporter,
        },
    )
