"""The policies about beams that read reality. Privileged: they bound the score and are never trained or deployed."""

from __future__ import annotations

from typing import cast

import torch

from twin_envs.agents.beams.fidelity import FidelityPolicy
from twin_envs.agents.beams.rules import SweepPolicy
from twin_envs.agents.core.oracle import Oracle
from twin_envs.envs.beams.core import BeamCore
from twin_envs.envs.faces.vector import TaskVectorEnv

_TIMES = 4
"""Moments of a burst at which the oracle looks."""
_MARGIN = 0.02
"""Bits per resource element for each doubling of SNR on top of the rate: too little to decide but between equals."""


def true_rates(core: BeamCore, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor) -> torch.Tensor:
    """Bits per resource element that every beam would carry at `at_slots` [N] with the best MCS, float32 [N, E].

    A little more for a stronger beam, so that beams that carry the most that there is are told apart.
    """
    snr = core.beam_snr(rows, ue, at_slots * core.slot_s)
    return core.link.goodput(snr.mT).amax(-1) + _MARGIN * torch.log2(1.0 + snr.mean(1))


class OracleSweep(SweepPolicy, Oracle):
    """The beam that will carry most in the UE's burst, at once."""

    def reveal(self, envs: TaskVectorEnv) -> None:
        """Look into the cells of `envs`."""
        self._core = cast(BeamCore, envs.core)

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The beam with the highest true rate, mean over the burst; no sweep."""
        network, state = self.network, self.network.state
        rate = torch.zeros(len(rows), network.codebook.every, device=network.device)
        for time in range(_TIMES):
            slots = state.now_slots[rows] + state.burst_slots[rows] * ((time + 0.5) / _TIMES)
            rate += true_rates(self._core, rows, ue, slots)
        return rate[:, : network.codebook.beams].argmax(-1), torch.zeros_like(ue)


class OracleTwin(FidelityPolicy, Oracle):
    """The twin whose answer will carry most in the UE's burst: every answer is tried in reality, and what its sweep
    takes is counted.

    The burst's last moment counts once more than the others: where UEs report no SSBs, the next burst begins with the
    beam of then.
    """

    def reveal(self, envs: TaskVectorEnv) -> None:
        """Look into the cells of `envs`."""
        self._core = cast(BeamCore, envs.core)

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The twin whose answer carries most in the burst, less what its sweep takes."""
        network, state, actions = self.network, self.network.state, self.actions
        now, deadline = state.now_slots[rows], state.burst_slots[rows]
        index = torch.arange(len(rows), device=network.device)
        moments = [(time + 0.5) / (2 * _TIMES) for time in range(2 * _TIMES)] + [1.0]
        rates = [true_rates(self._core, rows, ue, now + deadline * moment) for moment in moments]
        refined = actions.refined(rows, ue)
        kept = self._best(rows, ue, now, refined)
        ready = network.schedule.serves(now, refined.sum(-1))
        values = []
        for twin, latency in enumerate(actions.latency_slots):
            beams = actions.answer(rows, ue, torch.full_like(ue, twin)).scatter(1, kept[:, None], True)
            begin, count = torch.maximum(now + latency, ready), beams.sum(-1)
            found = self._best(rows, ue, begin, beams)
            serves = network.schedule.serves(begin, count) - now
            value = torch.zeros(len(rows), device=network.device)
            for moment, rate in zip(moments, rates, strict=True):
                served = torch.where((deadline * moment < serves) | (deadline <= serves), kept, found)
                value += rate[index, served] / len(moments)
            spent = network.schedule.sweep_elements(count) / network.schedule.data_elements(now, now + deadline)
            values.append(value - torch.where(serves < deadline, spent * rates[0][index, kept], 0.0))
        return torch.stack(values, -1).argmax(-1)

    def _best(self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
        """The strongest of `beams` [N, E] at slot `at_slots` [N], int64 [N]."""
        snr = self._core.beam_snr(rows, ue, at_slots * self.network.slot_s).mean(1)
        return torch.where(beams, snr, -1.0).argmax(-1)
