"""ApAssociation and ApSelection: which access points serve a UE?"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium
import numpy as np
import torch

from twin_envs.envs.association.configuration import AssociationConfig, SelectionConfig
from twin_envs.envs.association.core import Network, Outcome
from twin_envs.envs.association.observation import association_layout, observe_association
from twin_envs.envs.association.view import GAIN_FLOOR_DB
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.snapshot import Link, View
from twin_envs.envs.core.task import Step, Task
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv

DEFAULT_APS = 20
"""APs of the default site; docstrings show the observation there."""
_FAINT_DB, _STRONG_DB = -120.0, -60.0
"""Measured gains between which a picture's links grow stronger."""


class NetworkTask(Task):
    """A step is one decision about one UE, the UEs in turn."""

    def __init__(self, config: AssociationConfig | SelectionConfig, num_envs: int, device: torch.device) -> None:
        self.core: Network = Network(config, num_envs, device)
        self.layout = association_layout(self.core.aps)
        self.action_space = self.space(self.core.aps)

    @staticmethod
    @abstractmethod
    def space(aps: int) -> gymnasium.Space[Any]:
        """The actions where there are so many APs."""

    @abstractmethod
    def score(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Scores of the APs, float32 [N, A], that the actions [N, ...] stand for."""

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE that has just measured."""
        return self.core.known.turn[rows]

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `association_layout`."""
        return observe_association(self.core, self.layout, rows, ue)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the networks run until the next UE's turn."""
        return describe_outcome(self.core.step(rows, self.score(rows, actions)))

    def view(self, row: int) -> View:
        """Every UE and the APs that serve it, stronger where it measured a better gain."""
        known = self.core.known
        serving, gain_db = known.serving[row].cpu().numpy(), known.gain_db[row].cpu().numpy()
        decided = int(known.decided[row])
        heard = serving & (gain_db > GAIN_FLOOR_DB)
        heard_db = np.where(heard, gain_db, GAIN_FLOOR_DB)
        strength = np.clip((gain_db - _FAINT_DB) / (_STRONG_DB - _FAINT_DB), 0.0, 1.0)
        links = [Link(ap=int(a), ue=int(u), strength=float(strength[u, a])) for u, a in np.argwhere(serving)]
        return View(
            time_s=float(known.now_slots[row]) * self.core.slot_s,
            ue_m=known.sensing.position[row].cpu().numpy().copy(),
            ue_std_m=known.sensing.position_std_m[row].cpu().numpy().copy(),
            deciding=int(known.turn[row]),
            decided=None if decided < 0 else decided,
            decision="" if decided < 0 else self._describe(row, decided),
            serving=tuple(range(self.core.aps)),  # any of them may be chosen
            links=tuple(links),
            ue_rate=known.bits_per_re[row].cpu().numpy().copy(),
            rate=float(known.bits_per_re[row].sum()),
            overhead=float(known.overhead[row]),
            notes={"APs": serving.sum(-1), "gain [dB]": np.where(heard.any(-1), heard_db.max(-1), np.nan)},
        )

    def _describe(self, row: int, ue: int) -> str:
        known, aps = self.core.known, self.core.site.recipe.access_points
        serving, joined = known.serving[row, ue], known.joined[row, ue] & known.serving[row, ue]
        named = [aps[ap].name + " (new)" * bool(joined[ap]) for ap in serving.nonzero()[:, 0].tolist()]
        return f"UE {ue}: {int(joined.sum())} new, served by {', '.join(named) or 'nobody'}"


def describe_outcome(outcome: Outcome) -> Step:
    """A window of N networks as a step: who measures at its end pays for that, who was decided about for his change."""
    by_ue = outcome.delivered_by_ue.clone()
    by_ue.scatter_add_(1, outcome.measured[:, None], -(outcome.pilot_cost + outcome.feedback_cost)[:, None])
    by_ue.scatter_add_(1, outcome.decided[:, None], -outcome.signalling_cost[:, None])
    return Step(
        by_ue=by_ue,
        truncated=outcome.truncated,
        info={
            "delivered": outcome.delivered_by_ue.sum(-1),
            "pilot_cost": outcome.pilot_cost,
            "feedback_cost": outcome.feedback_cost,
            "signalling_cost": outcome.signalling_cost,
            "elapsed_slots": outcome.elapsed_slots,
            "added_aps": outcome.added,
            "ue": outcome.decided,
        },
    )


class ApAssociation(NetworkTask):
    """Several APs serve a UE together: the agent scores all of them."""

    options = AssociationConfig

    @staticmethod
    def space(aps: int) -> gymnasium.Space[Any]:
        """A score from -1 to 1 for each AP."""
        return gymnasium.spaces.Box(-1.0, 1.0, (aps,), np.float32)

    def score(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """The actions."""
        return actions


class ApSelection(NetworkTask):
    """One AP serves a UE: the agent names it, the UE measures those that it has not measured for longest."""

    options = SelectionConfig

    @staticmethod
    def space(aps: int) -> gymnasium.Space[Any]:
        """The AP."""
        return gymnasium.spaces.Discrete(aps)

    def score(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """First the AP that is named, then the one that serves now, then the others by the age of their gain."""
        known = self.core.known
        mine = (rows, known.turn[rows])
        age_slots = known.now_slots[rows][:, None] - known.measured_slots[mine]
        scores = (1 + age_slots) / (2 + self.core.config.episode_slots) / 2
        scores = torch.where(known.serving[mine], 0.75, scores)
        return scores.scatter(1, actions[:, None], 1.0)


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
    length of the window; `added_aps`: APs that began to serve the UE; `ue`: whose turn it was.

    ## Arguments

    {options}

    Besides, `device` ("auto", "cpu", "cuda") and `render_mode` (None, "rgb_array", "human"; the batch has no "human").

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/ApAssociation-v0", num_ue=8, cluster_size=5)
    envs = gymnasium.make_vec("twin_envs/ApAssociation-v0", num_envs=64, world="twin")
    ```

    ## Version History

    * v0: first version.
    """

    task_type = ApAssociation


class ApAssociationVectorEnv(TaskVectorEnv):
    """B `ApAssociationEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = ApAssociation


class ApSelectionEnv(TaskEnv):
    """Which access point (AP) serves a UE?

    ## Description

    The network of `ApAssociation`, with one AP for each UE. A change is a handover, which interrupts the UE's data.

    ## Action Space

    `Discrete(APs)`: the AP that serves the UE until its next turn. If it serves `ap_load` other UEs that have all
    chosen it at their last turns, it refuses, and the UE stays where it is, or goes to the AP that it has not measured
    for longest if it has none. Otherwise it drops one that was given it without having chosen it. The UE measures its
    AP, and the `probed_aps` others that it has not measured for longest.

    ## Observation Space

    A flat `Box(0, 1, float32)`; its size depends on the number of APs. `observation_layout` names every number with
    unit, range and slice; index (at the default site), field, unit and the range that 0 to 1 stands for:

    {observation}

    ## Rewards

    As in `ApAssociation`: the network's net spectral efficiency in the window up to the next turn.

    ## Starting State

    As in `ApAssociation`.

    ## Episode End

    Truncation after `episode_slots` slots. There is no termination.

    ## Information

    As in `ApAssociation`: `delivered`, `pilot_cost`, `feedback_cost`, `signalling_cost`, `elapsed_slots`, `added_aps`,
    `ue`.

    ## Arguments

    {options}

    Besides, `device` ("auto", "cpu", "cuda") and `render_mode` (None, "rgb_array", "human"; the batch has no "human").

    ## Version History

    * v0: first version.
    """

    task_type = ApSelection


class ApSelectionVectorEnv(TaskVectorEnv):
    """B `ApSelectionEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = ApSelection


document(ApAssociationEnv, association_layout(DEFAULT_APS), AssociationConfig)
document(ApSelectionEnv, association_layout(DEFAULT_APS), SelectionConfig)
