"""What every channel twin can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from twin_envs.twin.knowledge import Knowledge


@dataclass(frozen=True, kw_only=True)
class SensedState:
    """Where N UEs are and how they move, as far as sensing tells; both axes have the same standard deviation.

    Attributes:
        position_m: float32 [N, 2].
        velocity_m_s: float32 [N, 2].
        position_std_m, velocity_std_m_s: float32 [N].
    """

    position_m: torch.Tensor
    velocity_m_s: torch.Tensor
    position_std_m: torch.Tensor
    velocity_std_m_s: torch.Tensor


class ChannelTwin(Protocol):
    """A model that answers: what is the channel like there?"""

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N]."""
