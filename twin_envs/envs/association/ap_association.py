"""ApAssociation: which access points serve a UE together?"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch

from twin_envs.envs.association.configuration import AssociationConfig
from twin_envs.envs.association.documentation import ASSOCIATION_SECTIONS
from twin_envs.envs.association.observation import association_layout
from twin_envs.envs.association.task import DEFAULT_APS, AssociationTask
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.training import Training
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


class ApAssociation(AssociationTask):
    """Several APs serve a UE together: the agent scores all of them."""

    training = Training(
        steps=120_000,
        remark="PPO scores every AP by the same weights (`twin_envs.agents.learning.shared`).",
    )
    options = AssociationConfig

    @staticmethod
    def space(aps: int) -> gymnasium.Space[Any]:
        """A score from -1 to 1 for each AP."""
        return gymnasium.spaces.Box(-1.0, 1.0, (aps,), np.float32)

    def score(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """The actions."""
        return actions


class ApAssociationEnv(TaskEnv):
    """Which access points (APs) serve a UE together?

    ## Description

    A cell-free network: many small APs on a ray-traced site, and each UE is served by a few of them that send to it in
    phase, so that amplitudes add. All APs use the same resources, so what is sent to one UE disturbs the others, except
    where an AP that serves both knows how to avoid it. What an AP knows of a channel it has from uplink pilots, which
    each UE sends once in 10 slots: so the faster a UE, the less it gains by several APs. UEs move, and with them who is
    near, in sight, or round the corner. In turns, the agent scores the APs for a UE. It sees what the network sees:
    gains that the UE has measured, and how long ago; sensed motion; and the gain of every AP that the network's digital
    twin expects.

    ## Action Space

    `Box(-1, 1, (APs,), float32)`: a score for each AP. The best `cluster_size` of those with room serve the UE until
    its next turn. An AP that serves `ap_load` other UEs has room for this one only if it scores higher than one of them
    did, and drops the UE that scored lowest. The next best `probed_aps` with a positive score are measured only; so
    negative scores save pilots.

    ## Arguments

    {usual}

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/ApAssociation-v1", num_ue=8, cluster_size=5)
    envs = gymnasium.make_vec("twin_envs/ApAssociation-v1", num_envs=64, world="twin")
    ```
    """

    task_type = ApAssociation


class ApAssociationVectorEnv(TaskVectorEnv):
    """B `ApAssociationEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = ApAssociation


document(ApAssociationEnv, association_layout(DEFAULT_APS), ASSOCIATION_SECTIONS)
