"""ApSelection: which access point serves a UE?"""

from __future__ import annotations

from typing import Any

import gymnasium
import torch

from twin_envs.envs.association.configuration import SelectionConfig
from twin_envs.envs.association.documentation import ASSOCIATION_SECTIONS
from twin_envs.envs.association.observation import association_layout
from twin_envs.envs.association.task import DEFAULT_APS, AssociationTask
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.training import Training
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


class ApSelection(AssociationTask):
    """One AP serves a UE: the agent names it, the UE measures those that it has not measured for longest."""

    training = Training(
        steps=120_000,
        remark="PPO scores every AP by the same weights (`twin_envs.agents.learning.shared`).",
    )
    options = SelectionConfig

    @staticmethod
    def space(aps: int) -> gymnasium.Space[Any]:
        """The AP."""
        return gymnasium.spaces.Discrete(aps)

    def score(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """First the AP that is named, then the one that serves now, then the others by the age of their gain."""
        state = self.network.state
        mine = (rows, state.turn[rows])
        age_slots = state.now_slots[rows][:, None] - state.measured_slots[mine]
        scores = (1 + age_slots) / (2 + self.network.config.episode_slots) / 2
        scores = torch.where(state.serving[mine], 0.75, scores)
        return scores.scatter(1, actions[:, None], 1.0)


class ApSelectionEnv(TaskEnv):
    """Which access point (AP) serves a UE?

    ## Description

    The network of `ApAssociation`, with one AP for each UE. A change is a handover, which interrupts the UE's data.

    ## Action Space

    `Discrete(APs)`: the AP that serves the UE until its next turn. If it serves `ap_load` other UEs that have all
    chosen it at their last turns, it refuses, and the UE stays where it is, or goes to the AP that it has not measured
    for longest if it has none. Otherwise it drops one that was given it without having chosen it. The UE measures its
    AP and up to `probed_aps` others, first those that it has not measured for longest.
    """

    task_type = ApSelection


class ApSelectionVectorEnv(TaskVectorEnv):
    """B `ApSelectionEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = ApSelection


document(ApSelectionEnv, association_layout(DEFAULT_APS), ASSOCIATION_SECTIONS)
