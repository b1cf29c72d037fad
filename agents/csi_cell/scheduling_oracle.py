"""The oracle of ReportScheduling. Privileged: it bounds the score and is never trained or deployed."""

from __future__ import annotations

import dataclasses
from typing import cast

import torch

from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.agents.csi_cell.scheduling import SchedulingRule
from twin_envs.base.errors import check_number
from twin_envs.base.settings import computing
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.envs.faces.vector import TaskVectorEnv


class OracleRollouts(ViewPolicy, Oracle):
    """Tries every UE in copies of the real cell, and takes the one with which the cell earns most.

    In each copy the UE reports as soon as the uplink has room, and a rule decides about a few more: one step of policy
    improvement over that rule (Tesauro and Galperin, "On-line policy improvement using Monte-Carlo search", 1996). The
    copies meet the noise that the cell will meet, so what is earned in them is what would be earned.

    Args:
        rule: decides after the first report.
        following: so many further windows are played, 1 to 100.
    """

    def __init__(self, rule: SchedulingRule, following: int = 2) -> None:
        check_number("following", following, 1, 100, integer=True)
        self.rule, self.following = rule, following

    def reveal(self, envs: TaskVectorEnv) -> None:
        """Make copies of the cells of `envs`, one for each UE of each."""
        self._cell = cast(CsiCell, envs.core)
        config, device = self._cell.config, self._cell.device
        copies = self._cell.num_envs * config.num_ue
        self._copies = type(envs)(copies, device=device.type, **dataclasses.asdict(config))
        self.rule.attach(self._copies.network)

    def attach(self, network: NetworkView) -> None:
        """Nothing: reality is all that the oracle needs."""

    def act(self, observation: Array) -> Array:
        """The UE with which the cell will earn most, [N]."""
        with computing(self._copies.num_envs):
            return self.earned().argmax(-1).cpu().numpy()

    def earned(self) -> torch.Tensor:
        """What the cell will earn up to the end of the last window, by the UE that reports first: float32 [B, U]."""
        task, copies = self._copies.task, cast(CsiCell, self._copies.core)
        num_envs, num_ue = self._cell.num_envs, self._cell.config.num_ue
        rows = torch.arange(num_envs * num_ue, device=self._cell.device)
        copies.imitate(rows, self._cell, rows // num_ue)
        earned, ue = torch.zeros(len(rows), device=rows.device), rows % num_ue
        for _ in range(1 + self.following):
            outcome = copies.schedule(rows, ue)
            earned[rows] += outcome.reward
            rows = rows[~outcome.truncated]
            if not len(rows):
                break
            priority = self.rule.priority(task.observe(rows, task.turn(rows)).cpu().numpy())
            ue = torch.from_numpy(priority.argmax(-1)).to(rows.device)
        return earned.view(num_envs, num_ue)
