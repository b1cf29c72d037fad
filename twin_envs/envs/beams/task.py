"""Decisions about beams: what they share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from twin_envs.base.state import TensorState, tensor
from twin_envs.csi.beams.beam_map import Beliefs
from twin_envs.envs.beams.actions import BeamActions, TwinActions
from twin_envs.envs.beams.core import BeamCore
from twin_envs.envs.beams.observation import beam_values
from twin_envs.envs.beams.snapshot import beam_snapshot
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task

BEAM_TERMS = {
    "delivered": torch.float32,
    "ssb_cost": torch.float32,
    "sweep_cost": torch.float32,
    "feedback_cost": torch.float32,
    "elapsed_slots": torch.int64,
}
"""What is told of a burst, by its type."""


@dataclass(kw_only=True)
class _Last(TensorState):
    """The last action of each environment, int64 [B]."""

    action: torch.Tensor = tensor("env", dtype=torch.int64)


class BeamTask(Task):
    """A step is the burst of one UE.

    Args:
        core: the physics.
        layout: what an observation is.
        actions: what actions mean.
    """

    core: BeamCore
    network: BeamView

    def __init__(self, core: BeamCore, layout: ObservationLayout, actions: BeamActions | TwinActions) -> None:
        super().__init__(core, layout, actions.space, actions)
        self._last = _Last.create(core.num_envs, core.device)

    @abstractmethod
    def act(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """See `step`."""

    @abstractmethod
    def describe_decision(self, row: int, action: int) -> str:
        """What the last action in environment `row` was, in words that follow "UE 3: "."""

    def field_values(self, rows: torch.Tensor, ue: torch.Tensor, beliefs: Beliefs) -> dict[str, torch.Tensor]:
        """Values [N, ...] of the fields of the layout about UE `ue` [N] in environments `rows` [N]."""
        return beam_values(self.network, rows, ue, beliefs)

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by the layout."""
        network = self.network
        beliefs = network.twin.ask(network.sensed(rows, ue), network.state.ap[rows])
        return self.layout.pack(self.field_values(rows, ue, beliefs))

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Sweep and serve, and let time pass until the next UE wakes up."""
        step = self.act(rows, actions)
        self._last.action[rows] = actions
        return step

    def snapshot(self, row: int) -> Snapshot:
        """The network's view of one environment."""
        decided = int(self.network.state.decided[row])
        decision = "" if decided < 0 else f"UE {decided}: {self.describe_decision(row, int(self._last.action[row]))}"
        return beam_snapshot(self.network, row, decision)
