"""Decisions about access points: what they share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium
import numpy as np
import torch

from twin_envs.envs.association.configuration import AssociationConfig, SelectionConfig
from twin_envs.envs.association.core import AssociationCore
from twin_envs.envs.association.observation import association_layout, observe_association
from twin_envs.envs.association.view import GAIN_FLOOR_DB, AssociationView
from twin_envs.envs.core.snapshot import Connection, Snapshot
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task

DEFAULT_APS = 20
"""APs of the default site; docstrings show the observation there."""
_FAINT_DB, _STRONG_DB = -120.0, -60.0
"""Measured gains between which a picture's links grow stronger."""


class AssociationTask(Task):
    """A step is one decision about one UE, the UEs in turn."""

    terms = {  # noqa: RUF012
        "delivered": torch.float32,
        "pilot_cost": torch.float32,
        "feedback_cost": torch.float32,
        "signalling_cost": torch.float32,
        "elapsed_slots": torch.int64,
        "added_aps": torch.int64,
    }
    core: AssociationCore
    network: AssociationView

    def __init__(self, config: AssociationConfig | SelectionConfig, num_envs: int, device: torch.device) -> None:
        core = AssociationCore(config, num_envs, device)
        aps = core.network.aps
        super().__init__(core, association_layout(aps), self.space(aps))

    @staticmethod
    @abstractmethod
    def space(aps: int) -> gymnasium.Space[Any]:
        """The actions where there are so many APs."""

    @abstractmethod
    def score(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Scores of the APs, float32 [N, A], that the actions [N, ...] stand for."""

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `association_layout`."""
        return observe_association(self.network, self.layout, rows, ue)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the networks run until the next UE's turn."""
        return self.core.step(rows, self.score(rows, actions))

    def snapshot(self, row: int) -> Snapshot:
        """Every UE and the APs that serve it, stronger where it measured a better gain."""
        state, sensing = self.network.state, self.network.sensing
        serving, gain_db = state.serving[row].cpu().numpy(), state.gain_db[row].cpu().numpy()
        decided = int(state.decided[row])
        heard = serving & (gain_db > GAIN_FLOOR_DB)
        heard_db = np.where(heard, gain_db, GAIN_FLOOR_DB)
        strength = np.clip((gain_db - _FAINT_DB) / (_STRONG_DB - _FAINT_DB), 0.0, 1.0)
        links = [Connection(ap=int(a), ue=int(u), strength=float(strength[u, a])) for u, a in np.argwhere(serving)]
        return Snapshot(
            time_s=float(state.now_slots[row]) * self.network.slot_s,
            ue_m=sensing.position[row].cpu().numpy().copy(),
            ue_std_m=sensing.position_std_m[row].cpu().numpy().copy(),
            deciding=int(state.turn[row]),
            decided=None if decided < 0 else decided,
            decision="" if decided < 0 else self.describe_decision(row, decided),
            serving=tuple(range(self.network.aps)),  # any of them may be chosen
            links=tuple(links),
            ue_rate=state.bits_per_re[row].cpu().numpy().copy(),
            rate=float(state.bits_per_re[row].sum()),
            overhead=float(state.overhead[row]),
            notes={"APs": serving.sum(-1), "gain [dB]": np.where(heard.any(-1), heard_db.max(-1), np.nan)},
        )

    def describe_decision(self, row: int, ue: int) -> str:
        """What was decided about UE `ue` in environment `row`, and who serves it."""
        state, aps = self.network.state, self.network.recipe.access_points
        serving, joined = state.serving[row, ue], state.joined[row, ue] & state.serving[row, ue]
        named = [aps[ap].name + " (new)" * bool(joined[ap]) for ap in serving.nonzero()[:, 0].tolist()]
        return f"UE {ue}: {int(joined.sum())} new, served by {', '.join(named) or 'nobody'}"
