"""What every view of the network says of where its UEs are."""

from __future__ import annotations

import torch

from twin_envs.twin.protocol import SensedState
from twin_envs.world.sensing import Sensing


class SensedUes:
    """The base of the network's views.

    Attributes:
        sensing: position and velocity estimates.
    """

    sensing: Sensing

    def sensed(self, rows: torch.Tensor, ue: torch.Tensor) -> SensedState:
        """Sensed state of UE `ue` [N] in environments `rows` [N]."""
        return SensedState(
            position_m=self.sensing.position[rows, ue],
            velocity_m_s=self.sensing.velocity[rows, ue],
            position_std_m=self.sensing.position_std_m[rows, ue],
            velocity_std_m_s=self.sensing.velocity_std_m_s[rows, ue],
        )
