"""What follows the UEs, whatever sensors it has."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch

from twin_envs.base.state import TensorState
from twin_envs.base.streams import Streams
from twin_envs.world.sensing.estimates import Estimates


class Sensing(ABC):
    """Estimates of position and velocity of U users in each of B environments.

    Attributes:
        estimates: what comes of it; `start` and `advance` change it in place.
        state: the filters, with the true errors in them. Privileged.
    """

    estimates: Estimates
    state: TensorState

    @property
    @abstractmethod
    def motion_covariance(self) -> torch.Tensor:
        """Covariance of the errors of position and velocity, float64 [B, U, 4, 4]: x, y [m], then both velocities."""

    @abstractmethod
    def start(self, rows: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor, streams: Streams) -> None:
        """Begin anew in environments `rows` [N]: each UE has just obtained its first fix.

        So its position is wrong by the GNSS bias, drawn from its stationary distribution, and by the fix's noise.

        Args:
            position: [N, U, 2] true position [m].
            velocity: [N, U, 2] true velocity [m/s].
            streams: the random numbers.
        """

    @abstractmethod
    def advance(
        self,
        rows: torch.Tensor,
        elapsed_s: torch.Tensor,
        position: torch.Tensor,
        velocity: torch.Tensor,
        streams: Streams,
    ) -> None:
        """Let time pass in environments `rows` [N]; at its end what is due is measured, if it is seen.

        Args:
            elapsed_s: [N] time since the last call, more than 0. Measurements of a sensor that fell due on the way are
                used as one.
            position: [N, U, 2] true position at the end [m].
            velocity: [N, U, 2] true velocity at the end [m/s].
            streams: the random numbers; one draw is taken.
        """


def normals(streams: Streams, rows: torch.Tensor, count: int, num_ue: int) -> torch.Tensor:
    """Standard normals, float64 [count, 2, N, U], one draw; the first are the same whatever `count` is."""
    pairs = torch.view_as_real(streams.complex_normal(rows, count, num_ue))
    return pairs.permute(1, 3, 0, 2).to(torch.float64, memory_format=torch.contiguous_format) * math.sqrt(2.0)


def due(
    since_s: torch.Tensor, elapsed_s: torch.Tensor, interval_s: float | torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Time since the last measurement once `elapsed_s` have passed, and whether one has fallen due, of one shape."""
    since = since_s + elapsed_s
    times = (since / interval_s).floor()
    return since - times * interval_s, times > 0
