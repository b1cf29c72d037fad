"""The policies about beams that read reality. Privileged: they bound the score and are never trained or deployed."""

from __future__ import annotations

import torch

from agents.beams import SweepPolicy
from agents.fidelity import FidelityPolicy
from twin_envs.envs.beams.cell import BeamCell

_TIMES = 4


def true_rates(core: BeamCell, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor) -> torch.Tensor:
    """Bits per resource element that every beam would carry at `at_slots` [N] with the best MCS, float32 [N, K]."""
    return core.link.goodput(core.beam_snr(rows, ue, at_slots * core.slot_s).mT).amax(-1)


class OracleSweep(SweepPolicy):
    """The beam that will carry most in the UE's burst, and no other."""

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SweepPolicy.choose`."""
        core, known = self.core, self.core.known
        rate = torch.zeros(len(rows), core.codebook.beams, device=core.device)
        for time in range(_TIMES):
            slots = known.now_slots[rows] + known.burst_slots[rows] * ((time + 0.5) / _TIMES)
            rate += true_rates(core, rows, ue, slots)
        return rate.argmax(-1), torch.zeros_like(ue)


class OracleTwin(FidelityPolicy):
    """The twin whose answer will carry most in the UE's burst: every answer is tried in reality."""

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """See `FidelityPolicy.choose`."""
        task, core, known = self.task, self.task.core, self.task.core.known
        now, deadline = known.now_slots[rows], known.burst_slots[rows]
        index = torch.arange(len(rows), device=core.device)
        times = (torch.arange(2 * _TIMES, device=core.device) + 0.5) / (2 * _TIMES)
        rates = [true_rates(core, rows, ue, now + deadline * time) for time in times]
        values = []
        for twin, latency in enumerate(task.latency_slots.tolist()):
            beams = task.answer(rows, ue, torch.full_like(ue, twin))
            arrival = torch.full_like(now, latency)
            snr = core.beam_snr(rows, ue, (now + arrival) * core.slot_s).mean(1)
            found = torch.where(beams, snr, -1.0).argmax(-1)
            kept = known.beam[rows, ue]
            served = [torch.where(deadline * time < arrival, kept, found) for time in times]
            served = [torch.where(arrival < deadline, beam, kept) for beam in served]
            values.append(sum(rate[index, beam] for rate, beam in zip(rates, served)))
        return torch.stack(values, -1).argmax(-1)
