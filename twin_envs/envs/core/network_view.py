"""What the network knows of its UEs: everything that observations and policies may use, and nothing else."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol, Self

import gymnasium
import torch

from twin_envs.base.state import TensorState, tensor
from twin_envs.csi.link import Link
from twin_envs.csi.nr.tdd import TddPattern
from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.twin.protocol import SensedState
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.recipe import SiteRecipe
from twin_envs.world.sensing.estimates import Estimates


@dataclass(kw_only=True)
class NetworkState(TensorState):
    """What changes from decision to decision in B environments with U UEs, whatever is decided.

    Attributes:
        now_slots: time in the episode, int64 [B].
        turn: the UE that the next decision is about, such as the one that has just reported, int64 [B].
        decided: the UE that the last decision was about, int64 [B]; -1 before the first.
        overhead: share of the last window's resources for data that went elsewhere, float32 [B].
        acknowledged: share of each UE's transport blocks that were decoded when they were sent first, in the last
            window in which it was served, float32 [B, U].
        bits_per_re: what was delivered to each UE in its last window per resource element, float32 [B, U].
    """

    now_slots: torch.Tensor = tensor("env", dtype=torch.int64)
    turn: torch.Tensor = tensor("env", dtype=torch.int64)
    decided: torch.Tensor = tensor("env", dtype=torch.int64, initial=-1)
    overhead: torch.Tensor = tensor("env")
    acknowledged: torch.Tensor = tensor("env", "ue", initial=1)
    bits_per_re: torch.Tensor = tensor("env", "ue")


class Actions(Protocol):
    """What actions mean: a family of decisions adds methods that decode and encode them."""

    @property
    def space(self) -> gymnasium.Space[Any]:
        """What an action of one environment is."""


class NetworkView:
    """What the network knows of B environments with U UEs each; a family of decisions adds what it knows besides.

    A policy is attached to the view. The view holds nothing through which reality could be read.

    Attributes:
        config: the options, a frozen dataclass with `num_ue`, `episode_slots` and `twin` among them.
        num_envs: B.
        device: where the tensors lie.
        recipe: how the site was described.
        geometry: grid points and APs of the site.
        slot_s: duration of a slot.
        carrier_blocks: resource blocks of the carrier.
        noise: noise over an AP's transmit power per resource element at a UE; linear.
        link: from SINR to bits.
        tdd: which slots go down and up.
        state: what changes from decision to decision.
        episode: which episode is in each environment, int64 [B]: a number that changes whenever another one begins.
        sensing: where the UEs are and how they move, as far as sensing tells.
        decision: what is decided: the task, `"module:Class"`; as the three below, of the view that a task has, not of
            its core's.
        layout: what an observation is.
        action_space: what an action of one environment is.
        actions: what actions mean, to decode and to encode them; None where an action needs no words.
    """

    config: EnvironmentConfig
    state: NetworkState
    decision: str
    layout: ObservationLayout
    action_space: gymnasium.Space[Any]
    actions: Actions | None

    def __init__(
        self,
        *,
        config: EnvironmentConfig,
        num_envs: int,
        device: torch.device,
        recipe: SiteRecipe,
        geometry: Geometry,
        slot_s: float,
        noise: float,
        link: Link,
        tdd: TddPattern,
        state: NetworkState,
        sensing: Estimates,
    ) -> None:
        self.config, self.num_envs, self.device = config, num_envs, device
        self.recipe, self.geometry, self.slot_s = recipe, geometry, slot_s
        self.carrier_blocks, self.noise, self.link, self.tdd = recipe.carrier_blocks, noise, link, tdd
        self.state, self.sensing = state, sensing
        self.episode = torch.zeros(num_envs, dtype=torch.int64, device=device)

    def for_decision(
        self, decision: str, layout: ObservationLayout, action_space: gymnasium.Space[Any], actions: Actions | None
    ) -> Self:
        """This view, its state shared, as those have it who decide: with what they see and what they choose."""
        view = copy(self)
        view.decision, view.layout, view.action_space, view.actions = decision, layout, action_space, actions
        return view

    def sensed(self, rows: torch.Tensor, ue: torch.Tensor) -> SensedState:
        """Sensed state of UE `ue` [N] in environments `rows` [N]."""
        return SensedState(
            position_m=self.sensing.position[rows, ue],
            velocity_m_s=self.sensing.velocity[rows, ue],
            position_std_m=self.sensing.position_std_m[rows, ue],
            velocity_std_m_s=self.sensing.velocity_std_m_s[rows, ue],
        )
