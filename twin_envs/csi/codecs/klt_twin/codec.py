"""A transform code with a twin at the decoder alone: the UE sends what it sends with `klt`, and need not know.

The base station reconstructs the picture that is most likely at the sensed position. If `L` holds the paths that the
twin expects there, each as often as its power says and with an unknown phase, a picture `p` has the covariance

    C = (1 - m) L^T L + m G

with `G` that of the twin's site on the whole, for paths that the twin lacks or has elsewhere. A component that comes in
so many bits is what was sent but for an error that the quantiser is known to make. So the posterior mean has a closed
form (Kay, "Fundamentals of statistical signal processing: estimation theory", 1993, chapter 12).
"""

from __future__ import annotations

from typing import Any

import torch

from twin_envs.base.settings import computing, lasting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.klt.codec import CODEWORD_LENGTHS, Klt, channels_of
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path_twin.expected import NONE, STRENGTH_STEP_DB, expected_paths
from twin_envs.csi.estimation import MEAN_SHARE
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.protocol import ExpectsPaths
from twin_envs.world.store.site import Site, kept_by_site

_UNKNOWN = 1e6
"""Variance of the error of a component that was not sent, whose own is 1."""
_TINY = torch.finfo(torch.float32).tiny


class KltTwin(Klt):
    """The codec `klt-twin`.

    Args:
        channels, grid, lengths: as for `Klt`.
    """

    asks = ExpectsPaths

    def __init__(
        self, channels: torch.Tensor, grid: AngleDelayGrid, lengths: tuple[int, ...] = CODEWORD_LENGTHS
    ) -> None:
        super().__init__(channels, grid, lengths)
        self._dictionary = Dictionary(grid, channels.device)

    def tell(self, twin: Any, position_m: torch.Tensor, position_std_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """The paths to expect (see `Codec.tell` and `expected_paths`), which the base station keeps to itself."""
        with computing(len(ap)):
            return expected_paths(twin, position_m, position_std_m, ap, self._dictionary, self.grid)

    def _reconstructed(self, components: torch.Tensor, widths: torch.Tensor, told: torch.Tensor | None) -> torch.Tensor:
        if told is None:
            return super()._reconstructed(components, widths, told)
        error = self.left[widths]
        noise = torch.where(widths > 0, error / (1 - error).clamp_min(_TINY), _UNKNOWN)
        received = torch.where(widths > 0, components / (1 - error).clamp_min(_TINY), 0.0)
        local, index = self._expected(told), torch.arange(widths.shape[1], device=widths.device)
        seen = local @ self.analysis  # [N, 2 M, components]
        covariance = seen.mT @ seen
        covariance[:, index, index] += noise + MEAN_SHARE
        weight = torch.linalg.solve(covariance, received)
        return ((seen @ weight[..., None]).mT @ local)[:, 0] + MEAN_SHARE * weight @ self.synthesis

    def _expected(self, told: torch.Tensor) -> torch.Tensor:
        """Pictures of the paths told [N, M, 2], in two phases each, float32 [N, 2 M, pixels]: squares sum to 1 - m."""
        index, strength = told.unbind(-1)
        power = torch.where(strength < NONE, 10 ** (-STRENGTH_STEP_DB / 10 * strength), 0.0)
        share = (1 - MEAN_SHARE) * power / power.sum(1, keepdim=True).clamp_min(_TINY)
        dictionary = self._dictionary
        taps = dictionary.taps[index // dictionary.beams] * (share / 2).sqrt()[..., None]
        picture = taps[..., None] * dictionary.angles[index % dictionary.beams][..., None, :]
        return torch.cat([torch.view_as_real(picture), torch.view_as_real(1j * picture)], 1).flatten(2)


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> KltTwin:
    """The code for the twin of a site.

    Raises:
        ConfigurationError: the site has no world `twin`.
    """
    return KltTwin(channels_of(site).to(device), angle_delay_grid(site))
