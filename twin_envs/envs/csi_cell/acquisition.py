"""One report: pilots, estimate with the twin as prior, codec, decoded channel."""

from __future__ import annotations

from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.streams import Streams
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.codecs.protocol import Codec, SideInformation
from twin_envs.csi.estimation import hedge, least_squares, lmmse, match_power, refine
from twin_envs.csi.estimation_net.estimator import NetEstimator
from twin_envs.csi.estimation_net.expected import nothing, told
from twin_envs.csi.expected_profile import expected_profile
from twin_envs.csi.nr.pilots import sound, strongest_beams
from twin_envs.csi.path_estimation import PathEstimator
from twin_envs.csi.transforms import AngleDelayGrid, angle_transform, to_angle_delay
from twin_envs.twin.protocol import ChannelTwin, ExpectedPaths, ExpectsPaths, require

_NETS = ("paths-net", "twin-net")
"""Estimators by a network."""
_ASKING = ("lmmse", "twin-net")
"""Estimators that ask the twin what paths to expect."""


class Acquisition(Constant):
    """How the network obtains CSI.

    Args:
        grid: sizes of a channel.
        codec: compresses the estimate.
        twin: where the prior comes from.
        estimator: `lmmse`, `lmmse-mean`, `pursuit`, `paths-net`, `twin-net`, `ls` or `perfect`; see `CellConfig`.
        mean_profile: where power lies on average at the site, [blocks (taps), antennas (beams)].
        fewer_ports: whether CSI-RS may have fewer ports than there are antennas.

    Raises:
        ConfigurationError: the twin does not say what paths to expect where the estimator or `fewer_ports` needs it, or
            lacks what the codec asks for.
    """

    def __init__(
        self,
        grid: AngleDelayGrid,
        codec: Codec,
        twin: ChannelTwin,
        estimator: str,
        mean_profile: torch.Tensor,
        fewer_ports: bool = False,
    ) -> None:
        self.grid, self.codec, self.estimator, self._fewer_ports = grid, codec, estimator, fewer_ports
        self._mean_profile, self._by_paths = mean_profile, PathEstimator(grid, mean_profile)
        self._net = NetEstimator(grid, mean_profile) if estimator in _NETS else None
        users = {f"estimator {estimator!r}": estimator in _ASKING, "CSI-RS with fewer ports": fewer_ports}
        needed = [user for user, needs in users.items() if needs]
        self._prior: ExpectsPaths | None = require(twin, ExpectsPaths, needed[0]) if needed else None
        self._twin = twin if codec.asks is None else require(twin, codec.asks, "the codec")

    def estimate(
        self,
        h: torch.Tensor,
        noise: float,
        *,
        rows: torch.Tensor,
        ap: torch.Tensor,
        sensed_m: torch.Tensor,
        sensed_std_m: torch.Tensor,
        last: torch.Tensor,
        ports: torch.Tensor,
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
            last: what their last reports said, complex64 [N, F, antennas].
            ports: of the CSI-RS, int64 [N].
            spacing: resource blocks from one pilot to the next, int64 [N].
            streams: random numbers.

        Returns:
            The estimate's angle-delay picture, complex64 [N, blocks (taps), antennas (beams)].
        """
        paths = None if self._prior is None else self._prior.expected_paths(sensed_m, ap)
        profile = None if paths is None else expected_profile(paths, sensed_std_m, self.grid)
        if self.estimator == "perfect":
            estimate = to_angle_delay(h, self.grid)
        else:
            noise_to_pilot = torch.full((len(h),), noise, device=h.device)
            y = sound(h, noise_to_pilot, spacing, streams, rows)
            estimate = self._estimate(y, spacing, noise_to_pilot, paths, sensed_std_m, profile)
        if not self._fewer_ports or profile is None:
            return estimate
        # Noise and prior are independent from beam to beam, so the estimate in the beams of the ports is what it is.
        expected = profile.sum(1)
        seen = squared_magnitude(last @ angle_transform(self.grid, last.device)).sum(1)
        beams = strongest_beams(torch.where(expected.sum(-1, keepdim=True) > 0, expected, seen), ports)
        return estimate * beams[:, None]

    def _estimate(
        self,
        y: torch.Tensor,
        spacing: torch.Tensor,
        noise_to_pilot: torch.Tensor,
        paths: ExpectedPaths | None,
        sensed_std_m: torch.Tensor,
        profile: torch.Tensor | None,
    ) -> torch.Tensor:
        if self.estimator == "ls":
            return least_squares(y, spacing, self.grid)
        if self.estimator == "pursuit":
            return self._by_paths(y, spacing, noise_to_pilot)
        if self.estimator not in _ASKING or profile is None or paths is None:
            places, profile = nothing(len(y), y.device), torch.zeros(y.shape, device=y.device)
        else:
            places = told(paths, sensed_std_m, self.grid)
        expected = hedge(profile, self._mean_profile)
        if self._net is not None:
            return self._net(y, spacing, noise_to_pilot, places, expected)
        prior = match_power(expected, y, spacing, noise_to_pilot)
        prior = refine(y, spacing, noise_to_pilot, prior, self.grid)
        return lmmse(y, spacing, noise_to_pilot, prior, self.grid)

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
        side = self.side(codeword_bits, how["ap"], how["sensed_m"], how["sensed_std_m"])
        return self.codec.report(self.estimate(h, noise, **how), side, block)

    def side(
        self,
        codeword_bits: torch.Tensor,
        ap: torch.Tensor,
        sensed_m: torch.Tensor,
        sensed_std_m: torch.Tensor,
        **_: Any,
    ) -> SideInformation:
        """What both ends know before a report: the length of its codeword [N], and what the UE is told of its place.

        The rest is as for `estimate`.
        """
        return SideInformation(
            codeword_bits=codeword_bits, told=self.codec.tell(self._twin, sensed_m, sensed_std_m, ap)
        )
