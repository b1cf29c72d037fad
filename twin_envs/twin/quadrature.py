"""Where a UE may be and how it may move: seven points that stand for the distribution of position and velocity."""

from __future__ import annotations

import math

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.knowledge import SensedState

_RING = 6
_RING_RADIUS = 2.0
"""A centre of weight 1/2 and a ring of six points at two standard deviations have the covariance of the Gaussian. The
velocity goes round its own ring twice as fast as the position round its: so it is uncorrelated with the position."""


class Ring(Constant):
    """The seven points and their weights.

    Args:
        device: where they are computed.

    Attributes:
        weight: of each point, float32 [7].
    """

    def __init__(self, device: torch.device) -> None:
        angle = torch.arange(_RING, device=device) * (2 * math.pi / _RING)

        def ring(angle: torch.Tensor) -> torch.Tensor:
            around = _RING_RADIUS * torch.stack([angle.cos(), angle.sin()], -1)
            return torch.cat([torch.zeros(1, 2, device=device), around])

        self._offset, self._velocity_offset = ring(angle), ring(2 * angle)
        self.weight = torch.cat([torch.full((1,), 0.5), torch.full((_RING,), 0.5 / _RING)]).to(device)

    def places(self, sensed: SensedState) -> torch.Tensor:
        """Where the N UEs may be, float32 [N, 7, 2]."""
        return sensed.position_m[:, None] + self._offset * sensed.position_std_m[:, None, None]

    def velocities(self, sensed: SensedState) -> torch.Tensor:
        """How they may move there, float32 [N, 7, 2]."""
        return sensed.velocity_m_s[:, None] + self._velocity_offset * sensed.velocity_std_m_s[:, None, None]


def about_mean(angle: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Angles [N, K], each within pi of their mean direction, so that they can be averaged; by weights [N, K]."""
    mean = torch.atan2((weight * angle.sin()).sum(-1, keepdim=True), (weight * angle.cos()).sum(-1, keepdim=True))
    return mean + wrapped(angle - mean)


def wrapped(angle: torch.Tensor) -> torch.Tensor:
    """Angles between -pi and pi."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
