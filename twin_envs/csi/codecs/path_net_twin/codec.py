"""The codec `path-net`, whose UE is told beforehand which paths the twin expects at the sensed position."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import torch

from twin_envs.base.settings import computing, lasting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.path_net.codec import PathNet
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.codecs.path_net.weights import STORED
from twin_envs.csi.codecs.path_net_twin.expected import EXPECTED, expected_places
from twin_envs.csi.codecs.path_twin.expected import STRENGTH_BITS
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.protocol import ExpectsPaths
from twin_envs.world.store.site import Site, kept_by_site

LENGTHS = (30, 46, 62, 92, 124, 184, 246)
"""Bits of codewords, by the formats of `path-net`."""


class PathNetTwin(PathNet):
    """The codec `path-net-twin`.

    Args:
        network, grid, device: as for `PathNet`.
    """

    asks = ExpectsPaths

    def __init__(self, network: PriorNetwork, grid: AngleDelayGrid, device: torch.device) -> None:
        super().__init__(network, grid, device, LENGTHS)
        self.downlink_bits = EXPECTED * (sum(ceil(log2(size)) for size in self.dictionary.sizes) + STRENGTH_BITS)

    def tell(self, twin: Any, position_m: torch.Tensor, position_std_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """What UEs are told of the paths to expect (see `Codec.tell`)."""
        with computing(len(ap)):
            return expected_places(twin, position_m, position_std_m, ap, self.dictionary, self.grid)


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> PathNetTwin:
    """The codec for the array and the carrier of a site."""
    return PathNetTwin(STORED.packaged, angle_delay_grid(site), device)
