"""What a decision problem is made of: what the agent sees, what it chooses, what it earns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import torch

from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.envs.core.network_view import Actions, NetworkView
from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.training import Training


class Task(ABC):
    """A decision problem for B episodes at once; the faces (`single`, `vector`, `multi_agent`) make environments of it.

    A subclass is made from its options, the number of environments and a device; it builds its core and hands it over:

        class Own(Task):
            options = OwnConfig

            def __init__(self, config: OwnConfig, num_envs: int, device: torch.device) -> None:
                super().__init__(OwnCore(config, num_envs, device), LAYOUT, gymnasium.spaces.Discrete(2))

    Args:
        core: the physics.
        layout: what an observation is.
        action_space: what an action of one environment is.
        actions: what actions mean; None where they need no words.

    Attributes:
        options: class of the configuration.
        training: how it is learnt.
        terms: what a step's `info` has beside `by_ue` and `ue`, and its type: so a reset can tell the same.
        core: the physics.
        network: the network's view; all that observations, pictures and policies may use.
        layout: what an observation is.
        action_space: what an action of one environment is.
        actions: what actions mean.
    """

    options: ClassVar[type[EnvironmentConfig]]
    training: ClassVar[Training] = Training()
    terms: ClassVar[Mapping[str, torch.dtype]] = {"delivered": torch.float32, "elapsed_slots": torch.int64}
    core: Core
    network: NetworkView
    actions: Actions | None

    def __init__(
        self,
        core: Core,
        layout: ObservationLayout,
        action_space: gymnasium.Space[Any],
        actions: Actions | None = None,
    ) -> None:
        decision = f"{type(self).__module__}:{type(self).__qualname__}"
        self.core, self.network = core, core.network.for_decision(decision, layout, action_space, actions)
        self.layout, self.action_space, self.actions = layout, action_space, actions

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE that the next action is about, int64 [N], in environments `rows` [N]."""
        return self.network.state.turn[rows]

    @abstractmethod
    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `layout`, float32 [N, D], about UE `ue` [N] in environments `rows` [N]."""

    @abstractmethod
    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Do what the actions [N, ...] say in environments `rows` [N], and let time pass until the next decision."""

    def reset_info(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """What `Step.info` has, before anything has happened in environments `rows` [N]: whose turn it is and zeros."""
        num_ue, device = self.core.config.num_ue, self.core.device
        nothing = {name: torch.zeros(len(rows), dtype=dtype, device=device) for name, dtype in self.terms.items()}
        by_ue = torch.zeros(len(rows), num_ue, dtype=torch.float32, device=device)
        return {"by_ue": by_ue, **nothing, "ue": self.turn(rows)}

    @abstractmethod
    def snapshot(self, row: int) -> Snapshot:
        """What a picture of environment `row` shows: what the network knows, never reality."""
