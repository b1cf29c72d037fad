"""Shannon's bound as a link."""

from __future__ import annotations

import torch

from twin_envs.csi.link.protocol import Delivery


class ShannonLink:
    """Shannon's bound: an ideal code without a rate to choose, so no block is lost and no offset is needed.

    Its only "MCS" has the index 0. A UE gets the mean over subbands of log2(1 + SINR), at the SINR that is.
    """

    def choose_mcs(self, sinr_expected: torch.Tensor, offset_db: torch.Tensor) -> torch.Tensor:
        """The index 0 for every UE, int64 [...]."""
        return torch.zeros_like(offset_db, dtype=torch.int64)

    def deliver(self, mcs: torch.Tensor, sinr: torch.Tensor, uniform: torch.Tensor) -> Delivery:
        """Mean of log2(1 + SINR) over the subbands of sinr [..., F]; always decoded."""
        bits_per_re = torch.log2(1.0 + sinr).mean(-1)
        return Delivery(bits_per_re, torch.ones_like(bits_per_re), torch.zeros_like(bits_per_re), bits_per_re)

    def goodput(self, sinr: torch.Tensor) -> torch.Tensor:
        """Mean of log2(1 + SINR) over the subbands of sinr [..., F], float32 [..., 1]."""
        return torch.log2(1.0 + sinr).mean(-1, keepdim=True)

    def in_outage(self, sinr: torch.Tensor) -> torch.Tensor:
        """Never, bool [...] for sinr [..., F]: the code suits any SINR."""
        return torch.zeros(sinr.shape[:-1], dtype=torch.bool, device=sinr.device)

    def outer_loop(self, offset_db: torch.Tensor, acknowledged: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """The offset as it was."""
        return offset_db
