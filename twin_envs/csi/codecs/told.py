"""What UEs are told where a codec is scored: of their own place, sensed with an error, or of another one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.csi.channels import SampledLinks
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.twin.traced import traced_twin
from twin_envs.world.store.site import Site

POSITION_ERROR_M = 1.5


@dataclass(frozen=True, kw_only=True)
class Told:
    """About which place UEs are told what the twin expects.

    Args:
        position_error_m: standard deviation of the sensed position along each axis.
        elsewhere: whether it is the place of another UE.
    """

    position_error_m: float = POSITION_ERROR_M
    elsewhere: bool = False

    def __call__(
        self, codec: Codec, site: Site, world: str, links: SampledLinks, generator: torch.Generator
    ) -> torch.Tensor | None:
        """What a codec tells the UEs of `links` (see `Codec.tell`).

        Args:
            codec: the codec.
            site: where it is.
            world: the twin world that the network knows.
            links: of any world.
            generator: of the errors of positions.

        Returns:
            See `Codec.tell`; None for a codec that tells nothing.
        """
        if codec.asks is None:
            return None
        position_m, ap = links.sensed_m(self.position_error_m, generator), links.ap
        if self.elsewhere:
            position_m, ap = position_m.roll(1, 0), ap.roll(1, 0)
        error_m = torch.full_like(position_m[:, 0], self.position_error_m)
        return codec.tell(traced_twin(site, world, site.device), position_m, error_m, ap)


AT_THE_UE = Told()
"""About the UE's own place, sensed as well as is usual."""
