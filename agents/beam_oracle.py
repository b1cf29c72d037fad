"""The policy about beams that reads reality. Privileged: it bounds the score and is never trained or deployed."""

from __future__ import annotations

import torch

from agents.beams import SweepPolicy

_TIMES = 4


class OracleSweep(SweepPolicy):
    """The beam that will carry most until the UE's next decision, and no other."""

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SweepPolicy.choose`."""
        core, known = self.core, self.core.known
        rate = torch.zeros(len(rows), core.codebook.beams, device=core.device)
        for share in range(_TIMES):
            slots = known.now_slots[rows] + known.period_slots[rows, ue] * ((share + 0.5) / _TIMES)
            snr = core.beam_snr(rows, ue, slots * core.slot_s)  # [N, F, K]
            rate += core.link.goodput(snr.mT).amax(-1)
        return rate.argmax(-1), torch.zeros_like(ue)
