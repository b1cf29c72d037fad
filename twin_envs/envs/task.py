"""What a decision problem is made of: what the agent sees, what it chooses, what that means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import gymnasium
import torch

from twin_envs.envs.cell import Cell, Decision
from twin_envs.envs.observation import ObservationLayout


class Task(ABC):
    """A decision problem on a `Cell`; the faces (`single`, `vector`) make environments of it."""

    layout: ClassVar[ObservationLayout]
    action_space: ClassVar[gymnasium.Space[Any]]

    @staticmethod
    @abstractmethod
    def observe(cell: Cell, rows: torch.Tensor) -> torch.Tensor:
        """Observations, float32 [N, D], of environments `rows` [N]."""

    @staticmethod
    @abstractmethod
    def decide(cell: Cell, actions: torch.Tensor) -> Decision:
        """What the actions [N, ...] decide."""
