"""Where a twin expects the power of a channel, at a position that is sensed with an error."""

from __future__ import annotations

import torch

from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.csi.estimation import profile_from_paths
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.protocol import ExpectedPaths


def expected_profile(paths: ExpectedPaths, position_std_m: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """The prior of `lmmse`, up to its scale: see `profile_from_paths`.

    Args:
        paths: what the twin expects at the sensed positions of N UEs.
        position_std_m: standard deviation of these along each axis [N].
        grid: sizes of a channel.
    """
    return profile_from_paths(
        paths.delay_s,
        paths.column_cycles,
        paths.row_cycles,
        paths.power,
        delay_std_s(position_std_m)[:, None],
        angle_std_cycles(paths, position_std_m)[:, None],
        grid,
    )


def delay_std_s(position_std_m: torch.Tensor) -> torch.Tensor:
    """How uncertain delays are [N] [s]: an error along a path changes its delay against the first path's."""
    return position_std_m / SPEED_OF_LIGHT


def angle_std_cycles(paths: ExpectedPaths, position_std_m: torch.Tensor) -> torch.Tensor:
    """How uncertain directions are [N] [cycles]: an error across a path turns its angle."""
    return 0.5 * (position_std_m / paths.distance_m.clamp_min(1.0)).clamp_max(0.5)
