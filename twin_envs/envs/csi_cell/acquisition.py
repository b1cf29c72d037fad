"""One report: pilots, estimate with the twin as prior, codec, decoded channel."""

from __future__ import annotations

from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.streams import Streams
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.csi.estimation import least_squares, lmmse, match_power, profile_from_paths
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.twin.protocol import ChannelTwin, ExpectsPaths, require

PROFILE_FLOOR = 0.1
"""Share of the power that the prior spreads evenly, for paths that the twin lacks."""


class Acquisition(Constant):
    """How the network obtains CSI.

    Args:
        grid: sizes of a channel.
        codec: compresses the estimate.
        twin: where the prior comes from.
        estimator: `lmmse`, `ls` or `perfect`.
    """

    def __init__(self, grid: AngleDelayGrid, codec: Codec, twin: ChannelTwin, estimator: str) -> None:
        self.grid, self.codec, self.estimator = grid, codec, estimator
        self._prior: ExpectsPaths | None = (
            require(twin, ExpectsPaths, "estimator 'lmmse'") if estimator == "lmmse" else None
        )

    def estimate(
        self,
        h: torch.Tensor,
        noise: float,
        *,
        rows: torch.Tensor,
        ap: torch.Tensor,
        sensed_m: torch.Tensor,
        sensed_std_m: torch.Tensor,
        spacing: torch.Tensor,
        streams: Streams,
    ) -> torch.Tensor:
        """What one UE in each of N environments estimates.

        Args:
            h: the channel that the pilots pass, complex64 [N, blocks, antennas].
            noise: noise over transmit power, linear.
            rows: environments [N], for `streams`.
            ap: their APs [N].
            sensed_m: where the network believes the UE to be [N, 3], with standard deviation `sensed_std_m` [N].
            spacing: resource blocks from one pilot to the next, int64 [N].
            streams: random numbers.

        Returns:
            The estimate's angle-delay picture, complex64 [N, blocks (taps), antennas (beams)].
        """
        if self.estimator == "perfect":
            return to_angle_delay(h, self.grid)
        noise_to_pilot = torch.full((len(h),), noise, device=h.device)
        y = sound(h, noise_to_pilot, spacing, streams, rows)
        if self._prior is None:
            return least_squares(y, spacing, self.grid)
        profile = match_power(self._profile(self._prior, sensed_m, sensed_std_m, ap), y, spacing, noise_to_pilot)
        return lmmse(y, spacing, noise_to_pilot, profile, self.grid)

    def report(
        self,
        h: torch.Tensor,
        noise: float,
        *,
        codeword_bits: torch.Tensor,
        block: torch.Tensor | None = None,
        **how: Any,
    ) -> torch.Tensor:
        """What the cell decodes when one UE in each of N environments reports with `codeword_bits` [N].

        The rest is as for `estimate`; complex64 [N, F, antennas] at the resource blocks `block` [F], None for all.
        """
        return self.codec.report(self.estimate(h, noise, **how), codeword_bits, block)

    def _profile(
        self, twin: ExpectsPaths, sensed_m: torch.Tensor, sensed_std_m: torch.Tensor, ap: torch.Tensor
    ) -> torch.Tensor:
        """What the twin expects of the channel: the prior, up to its scale; see `profile_from_paths`."""
        paths = twin.expected_paths(sensed_m, ap)
        # An error across the path turns its angle, one along it changes its delay against the first path's.
        angle_std = (sensed_std_m / paths.distance_m.clamp_min(1.0)).clamp_max(0.5)
        return profile_from_paths(
            paths.delay_s,
            paths.column_cycles,
            paths.row_cycles,
            paths.power,
            (sensed_std_m / SPEED_OF_LIGHT)[:, None],
            (0.5 * angle_std)[:, None],
            PROFILE_FLOOR,
            self.grid,
        )
