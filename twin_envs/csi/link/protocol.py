"""What a link is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch


class Delivery(NamedTuple):
    """What became of K transport blocks for each of M UEs.

    Fields:
        bits_per_re: delivered bits over all data resource elements that the blocks and what was sent again took,
            float32 [M].
        acknowledged: share of the blocks that were decoded when they were sent first, float32 [M].
        bler: the probability with which each would be lost then, float32 [M].
        granted_per_re: bits that a data resource element of a block carries, decoded or not, float32 [M].
    """

    bits_per_re: torch.Tensor
    acknowledged: torch.Tensor
    bler: torch.Tensor
    granted_per_re: torch.Tensor


class Link(Protocol):
    """What a cell asks of a link. M is any number of UEs, F of subbands; SINR is linear, float32 [M, F]."""

    def choose_mcs(self, sinr_expected: torch.Tensor, offset_db: torch.Tensor) -> torch.Tensor:
        """The MCS, int64 [M], for the SINR that the cell expects and the outer loop's offset [M]."""

    def deliver(self, mcs: torch.Tensor, sinr: torch.Tensor, uniform: torch.Tensor) -> Delivery:
        """Send K blocks with `mcs` [M] at the SINR that is; `uniform` [M, K] in [0, 1) decides which are lost."""

    def goodput(self, sinr: torch.Tensor) -> torch.Tensor:
        """Bits per resource element, float32 [M, C], expected of each of the link's C MCSs at the SINR that is."""

    def in_outage(self, sinr: torch.Tensor) -> torch.Tensor:
        """Where no MCS of the link meets its target at the SINR that is, bool [M]."""

    def outer_loop(self, offset_db: torch.Tensor, acknowledged: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """The offset [M] after `blocks` blocks, broadcasts, the share `acknowledged` [M] of them decoded at first."""
