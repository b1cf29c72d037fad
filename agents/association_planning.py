"""Planning who serves a UE: every candidate cluster is tried in a model of the network, with the same physics."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from agents.association import ApPolicy
from agents.policies import Array
from twin_envs.csi.overhead import data_resource_elements
from twin_envs.csi.precoding import signal_to_interference
from twin_envs.envs.association.joint import joint_precoder, stacked
from twin_envs.envs.vector import TaskVectorEnv

_PAIRS = 256
"""Candidates of environments that are tried at once."""


class ClusterPlanner(ApPolicy):
    """Serves the UE with the APs that give the whole network most in a model of it, less what the change costs.

    Candidates are the APs that serve now, the strongest, and both with one AP exchanged for one of the strongest
    others. A subclass says what channels the model has.

    Args:
        exchanges: how many of the strongest others are tried in the place of each.
    """

    def __init__(self, exchanges: int = 3) -> None:
        self.exchanges = exchanges

    def attach(self, envs: TaskVectorEnv) -> None:
        """See `Policy`."""
        super().attach(envs)
        config, network = envs.core.config, envs.core
        slots = torch.tensor(config.decision_slots)
        self._signalling = config.signalling_elements / float(data_resource_elements(slots, network.carrier_blocks))
        self._interruption = min(config.interruption_slots / config.decision_slots, 1.0)

    @abstractmethod
    def channels(self, observation: Array) -> torch.Tensor:
        """Channels of the model at T times of the next period, complex64 [N, T, U, A, F, antennas]."""

    def value_db(self, observation: Array) -> Array:
        """0 for the APs of the best candidate; the others by their gain, below -100."""
        with torch.inference_mode():
            h = self.channels(observation)
            row, ue = torch.arange(len(h), device=h.device), self.network.known.turn
            gain = torch.view_as_real(h[row, :, ue]).square().sum(-1).mean((1, 3, 4))  # [N, A]
            candidates = self._candidates(gain, row, ue)
            best = self._bits(h, candidates, row, ue).argmax(-1)
            chosen = candidates[row, best].cpu().numpy()
            gain_db = 10 * np.log10(gain.cpu().numpy() + 1e-20)
        return np.where(chosen, gain_db / 4, gain_db / 4 - 100.0)

    def _candidates(self, gain: torch.Tensor, row: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Clusters for UE `ue` [N] with gains [N, A], bool [N, C, A]."""
        known, config = self.network.known, self.network.config
        size, aps = config.cluster_size, gain.shape[1]
        mine = known.serving[row, ue]
        free = mine | (known.load(row) < config.ap_load)
        worth = torch.where(free, gain, -1.0)
        strongest = torch.zeros_like(mine).scatter(1, worth.topk(size).indices, True) & free
        kept = torch.where(mine, 2.0 + gain, worth)  # filled up with the strongest if it is smaller
        kept = torch.zeros_like(mine).scatter(1, kept.topk(size).indices, True) & free
        found = [kept, strongest]
        for base in (kept, strongest)[: 2 if size > 1 else 1]:
            inside = torch.where(base, gain, torch.inf).topk(size, largest=False).indices
            outside = torch.where(base, -1.0, worth).topk(min(self.exchanges, aps - size)).indices
            for leaves in inside.unbind(1):
                for joins in outside.unbind(1):
                    swapped = base.scatter(1, leaves[:, None], False).scatter(1, joins[:, None], True)
                    found.append(swapped & free)
        return torch.stack(found, 1)

    def _bits(self, h: torch.Tensor, candidates: torch.Tensor, row: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Bits per resource element of the network with each candidate, less the costs of the change, [N, C]."""
        known, count = self.network.known, candidates.shape[1]
        serving = known.serving[row][:, None].repeat(1, count, 1, 1)
        serving[row, :, ue] = candidates
        index = row.repeat_interleave(count)
        rates = torch.cat(
            [self._rates(h[i], s) for i, s in zip(index.split(_PAIRS), serving.flatten(0, 1).split(_PAIRS))]
        ).unflatten(0, (-1, count))  # [N, C, U]
        own = rates[row, :, ue]
        added = (candidates & ~known.serving[row, ue][:, None]).sum(-1)
        return rates.sum(-1) - own * (added * self._signalling + (added > 0) * self._interruption)

    def _rates(self, h: torch.Tensor, serving: torch.Tensor) -> torch.Tensor:
        """Bits per resource element of each UE, [N, U], with the best MCS: channels [N, T, ...], serving [N, U, A]."""
        times = h.shape[1]
        flat, serving = h.flatten(0, 1), serving.repeat_interleave(times, 0)
        noise = torch.full(flat.shape[:2], self.network.noise, device=h.device)
        sinr = signal_to_interference(stacked(flat), joint_precoder(flat, serving, noise), noise).mT
        return self.network.link.goodput(sinr).amax(-1).unflatten(0, (-1, times)).mean(1)
