"""What comes of sensing, which is what the network knows."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.state import TensorState, tensor


@dataclass(kw_only=True)
class Estimates(TensorState):
    """Where U users of B environments are and how they move, as far as sensing tells; this is what the network knows.

    Attributes:
        position: estimated position [m], float32 [B, U, 2].
        velocity: estimated velocity [m/s], float32 [B, U, 2].
        position_std_m, velocity_std_m_s: standard deviation of their errors in each axis, float32 [B, U]; where the two
            differ, the root of their mean variance.
    """

    position: torch.Tensor = tensor("env", "ue", 2)
    velocity: torch.Tensor = tensor("env", "ue", 2)
    position_std_m: torch.Tensor = tensor("env", "ue")
    velocity_std_m_s: torch.Tensor = tensor("env", "ue")
