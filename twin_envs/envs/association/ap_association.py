"""ApAssociation: which access points serve a UE together?"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch

from twin_envs.envs.association.configuration import AssociationConfig
from twin_envs.envs.association.observation import association_layout
from twin_envs.envs.association.task import DEFAULT_APS, AssociationTask
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.training import Reached, Training
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


class ApAssociation(AssociationTask):
    """Several APs serve a UE together: the agent scores all of them."""

    training = Training(
        steps=120_000,
        remark="That network scores every AP by the same weights (`twin_envs.agents.learning.shared`).",
        reached=Reached(ppo=17.39, random=2.60, best_fixed=15.25, oracle=22.93, episodes=48),
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

    ## Observation Space

    A flat `Box(0, 1, float32)`; its size depends on the number of APs. `observation_layout` names every number with
    unit, range and slice; index (at the default site), field, unit and the range that 0 to 1 stands for:

    {observation}

    ## Rewards

    The network's net spectral efficiency in the window up to the next turn: delivered bits, less what the uplink pilots
    of all UEs, the downlink pilots of every AP that the UE measures, its report of gains, and the signalling of every
    added AP could have carried, over the episode's time and bandwidth. A UE gets no data for `interruption_slots` after
    APs were added. The return of an episode is the network's mean net spectral efficiency in bit/s/Hz, summed over the
    UEs.

    ## Starting State

    UEs are drawn wherever some AP is heard; all have searched for all APs at time 0, and in turn, UE 0 first, been
    given those that they heard best and that have room, as an action with these gains as scores would. So a UE may lose
    APs to those who come after it and hear them better. It is UE 0's turn.

    ## Episode End

    Truncation after `episode_slots` slots. There is no termination.

    ## Information

    `delivered`, `pilot_cost`, `feedback_cost`, `signalling_cost`: terms of the reward [bit/s/Hz]; `elapsed_slots`:
    length of the window; `added_aps`: APs that began to serve the UE; `ue`: whose turn it was; `by_ue`: what each UE
    added to the reward.
    `reset` tells the same: whose turn it is in `ue`, and zeros.

    ## Arguments

    {options}

    Besides, `device` ("auto" or one of torch) and `render_mode` (None, "rgb_array", "human"; the batch has no "human").

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/ApAssociation-v0", num_ue=8, cluster_size=5)
    envs = gymnasium.make_vec("twin_envs/ApAssociation-v0", num_envs=64, world="twin")
    ```

    ## Training

    {training}

    ## Version History

    * v0: first version.
    """

    task_type = ApAssociation


class ApAssociationVectorEnv(TaskVectorEnv):
    """B `ApAssociationEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = ApAssociation


document(ApAssociationEnv, association_layout(DEFAULT_APS), AssociationConfig, training=ApAssociation.training.text())
