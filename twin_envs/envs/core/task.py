"""What a decision problem is made of: what the agent sees, what it chooses, what it earns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import gymnasium
import torch

from twin_envs.envs.core.snapshot import View
from twin_envs.envs.csi_cell.observation import ObservationLayout
from twin_envs.world.store.site import Site


class Core(Protocol):
    """The physics of B episodes on one device; what the network knows of them is `known`.

    Attributes:
        config: the options, a frozen dataclass with `num_ue`, `episode_slots` and `twin` among them.
        num_envs: B.
        site: where the episodes take place.
        slot_s: duration of a slot.
        known: the network's view, with the time `now_slots` int64 [B] in it; policies may read it.
    """

    config: Any
    num_envs: int
    device: torch.device
    site: Site
    slot_s: float
    known: Any

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N]."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What came of a decision in N environments of U UEs.

    Attributes:
        by_ue: what each UE added to the return [bit/s/Hz], float32 [N, U].
        truncated: the episode's time is over, bool [N].
        info: `elapsed_slots` int64 [N], the time that passed; terms of the reward; whatever else is worth knowing,
            [N, ...] each.
    """

    by_ue: torch.Tensor
    truncated: torch.Tensor
    info: dict[str, torch.Tensor]

    @property
    def reward(self) -> torch.Tensor:
        """Net spectral efficiency, float32 [N]: an episode's rewards add up to the mean over its time [bit/s/Hz]."""
        return self.by_ue.sum(-1)


class Task(ABC):
    """A decision problem for B episodes at once; the faces (`single`, `vector`, `multi_agent`) make environments of it.

    Args:
        config: an instance of `options`.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.

    Attributes:
        options: class of the configuration.
        core: the physics.
        layout: what an observation is.
        action_space: what an action is.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    options: ClassVar[type[Any]]
    core: Core
    layout: ObservationLayout
    action_space: gymnasium.Space[Any]

    @abstractmethod
    def __init__(self, config: Any, num_envs: int, device: torch.device) -> None: ...

    @abstractmethod
    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE that the next action is about, int64 [N], in environments `rows` [N]."""

    @abstractmethod
    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `layout`, float32 [N, D], about UE `ue` [N] in environments `rows` [N]."""

    @abstractmethod
    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Do what the actions [N, ...] say in environments `rows` [N], and let time pass until the next decision."""

    @abstractmethod
    def view(self, row: int) -> View:
        """What a picture of environment `row` shows: what the network knows, never reality."""
