"""The policies about beams that read reality. Privileged: they bound the score and are never trained or deployed."""

from __future__ import annotations

import torch

from twin_envs.agents.beams.fidelity import FidelityPolicy
from twin_envs.agents.beams.rules import SweepPolicy
from twin_envs.envs.beams.core import BeamCell

_TIMES = 4
_MARGIN = 0.02


def true_rates(core: BeamCell, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor) -> torch.Tensor:
    """Bits per resource element that every beam would carry at `at_slots` [N] with the best MCS, float32 [N, K].

    A little more for a stronger beam, so that beams that carry the most that there is are told apart.
    """
    snr = core.beam_snr(rows, ue, at_slots * core.slot_s)
    return core.link.goodput(snr.mT).amax(-1) + _MARGIN * torch.log2(1.0 + snr.mean(1))


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
    """The twin whose answer will carry most in the UE's burst: every answer is tried in reality, and
    what its sweep takes is counted.

    The burst's last moment counts once more than the others: with the beam of then the UE's next burst begins.
    """

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """See `FidelityPolicy.choose`."""
        task, core, known = self.task, self.task.core, self.task.core.known
        now, deadline = known.now_slots[rows], known.burst_slots[rows]
        index = torch.arange(len(rows), device=core.device)
        moments = [(time + 0.5) / (2 * _TIMES) for time in range(2 * _TIMES)] + [1.0]
        rates = [true_rates(core, rows, ue, now + deadline * moment) for moment in moments]
        kept = self._best(rows, ue, now, task.first_sweep(rows, ue))
        values = []
        for twin, latency in enumerate(task.latency_slots.tolist()):
            beams = task.answer(rows, ue, torch.full_like(ue, twin)).scatter(1, kept[:, None], True)
            found = self._best(rows, ue, now + latency, beams)
            value = torch.zeros(len(rows), device=core.device)
            for moment, rate in zip(moments, rates):
                served = torch.where((deadline * moment < latency) | (deadline <= latency), kept, found)
                value += rate[index, served] / len(moments)
            spent = beams.sum(-1) * core.sweep_elements / core.data_elements(deadline)
            values.append(value - torch.where(latency < deadline, spent * rates[-1][index, found], 0.0))
        return torch.stack(values, -1).argmax(-1)

    def _best(self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
        """The strongest of `beams` [N, K] at slot `at_slots` [N], int64 [N]."""
        core = self.task.core
        snr = core.beam_snr(rows, ue, at_slots * core.slot_s).mean(1)
        return torch.where(beams, snr, -1.0).argmax(-1)
