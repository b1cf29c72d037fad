"""Planning who serves a UE: every candidate cluster is tried in a model of the network."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from twin_envs.agents.association.rules import ApPolicy
from twin_envs.agents.core.policies import Array
from twin_envs.base.errors import check_number
from twin_envs.base.settings import computing, lasting
from twin_envs.csi.joint import by_ap, local_precoders
from twin_envs.envs.core.network_view import NetworkView

_CHUNK = 16
"""Environments whose candidates are tried at once."""


class ClusterPlanner(ApPolicy):
    """Serves the UE with the APs that give the whole network most in a model of it, less what the change costs.

    Candidates are the APs that serve now, the strongest, and both with one AP exchanged for one of the strongest
    others. A subclass is the model.

    Args:
        exchanges: how many of the strongest others are tried in the place of each, 1 to 64.
        margin: share of the network's rate by which a change must be better, 0 to 1.
    """

    def __init__(self, exchanges: int = 4, margin: float = 0.0) -> None:
        check_number("exchanges", exchanges, 1, 64, integer=True)
        check_number("margin", margin, 0.0, 1.0)
        self.exchanges, self.margin = exchanges, margin

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Work out what a change costs in these environments."""
        super().attach(network)
        config = self.network.config
        period = torch.tensor([0, config.decision_slots], device=network.device)
        self._signalling = config.signalling_elements / float(self.network.data_elements(*period))
        self._interruption = min(config.interruption_slots / config.decision_slots, 1.0)

    @abstractmethod
    def look(self) -> torch.Tensor:
        """Bring the model up to date; returns its gains of the links of the UEs whose turn it is [B, A]."""

    @abstractmethod
    def sinr(self, rows: torch.Tensor, ue: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """SINR of all UEs in environments `rows` [N] if UE `ue` [N] has candidate clusters [N, C, A].

        Returns:
            linear, float32 [N, C, U, T, F], at T times or places and F frequencies.
        """

    def value_db(self, observation: Array) -> Array:
        """Above -100 for the APs of the best candidate, and below for the others; by their gain."""
        with computing(self.network.num_envs):
            row, ue = torch.arange(self.network.num_envs, device=self.network.device), self.network.state.turn
            gain = self.look()
            candidates = self.candidates(gain, row, ue)
            bits = self.bits(candidates)
            chosen = candidates[row, bits.argmax(-1)].cpu().numpy()
            gain_db = 10 * np.log10(gain.cpu().numpy() + 1e-20)
            same = (candidates == candidates[:, :1]).all(-1)
            change = torch.where(same, -torch.inf, bits).amax(-1)
            self._stakes = torch.where(same.all(-1), 0.0, (change - bits[:, 0]).abs()).cpu().numpy()
        return np.where(chosen, gain_db / 4, gain_db / 4 - 100.0)

    def stakes(self) -> Array:
        """By how much the best change is better than none, or none better than it [bits per resource element], [N]."""
        return self._stakes

    def candidates(self, gain: torch.Tensor, row: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Clusters for UE `ue` [N] with gains [N, A], bool [N, C, A]; the first is what serves, as far as it can."""
        state, config = self.network.state, self.network.config
        size, aps = config.cluster_size, gain.shape[1]
        mine = state.serving[row, ue]
        free = mine | (self.network.load(row) < config.ap_load)
        worth = torch.where(free, gain, -1.0)
        kept = torch.where(mine, 2.0 + gain, worth)  # filled up with the strongest where it is smaller
        bases = [torch.zeros_like(mine).scatter(1, by.topk(size).indices, True) & free for by in (kept, worth)]
        found = list(bases)
        for base in bases:
            inside = torch.where(base, -gain, -torch.inf).topk(size).indices
            outside = torch.where(base, -1.0, worth).topk(min(self.exchanges, max(aps - size, 1))).indices
            for leaves in inside.unbind(1):
                for joins in outside.unbind(1):
                    swapped = base.scatter(1, leaves[:, None], False).scatter(1, joins[:, None], True)
                    found.append(swapped & free)
        return torch.stack(found, 1)

    def bits(self, candidates: torch.Tensor) -> torch.Tensor:
        """Bits per resource element of each network with each candidate [B, C, A], less what a change costs: [B, C]."""
        state, link = self.network.state, self.network.link
        parts = []
        for rows in torch.arange(len(candidates), device=candidates.device).split(_CHUNK):
            ue, tried = state.turn[rows], candidates[rows]
            rates = link.goodput(self.sinr(rows, ue, tried)).amax(-1).mean(-1)  # [N, C, U]
            own = rates.gather(2, ue[:, None, None].expand(-1, rates.shape[1], 1))[..., 0]
            added = (tried & ~state.serving[rows, ue][:, None]).sum(-1)
            cost = own * (added * self._signalling + (added > 0) * self._interruption)
            parts.append((rates.sum(-1) - cost) * torch.where(added > 0, 1.0 - self.margin, 1.0))
        return torch.cat(parts)


class GainPlanner(ClusterPlanner):
    """A model that knows gains alone, and takes fading to be independent between links.

    An AP that serves n UEs gives each the nth part of its power, and a gain of antennas - n + 1, what zero forcing
    leaves of the array gain in independent Rayleigh fading; UEs that it does not serve get its whole power as
    interference.
    """

    @abstractmethod
    def gains(self) -> torch.Tensor:
        """Gains of all links [B, U, A]."""

    def look(self) -> torch.Tensor:
        """Keep the gains of all links; returns those of the UEs whose turn it is [B, A]."""
        self._gain = self.gains()
        return self._gain[torch.arange(len(self._gain), device=self._gain.device), self.network.state.turn]

    def sinr(self, rows: torch.Tensor, ue: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """SINR in the mean over fading, float32 [N, C, U, 1, 1]."""
        serving = self.network.state.serving[rows][:, None].repeat(1, candidates.shape[1], 1, 1)
        serving[torch.arange(len(rows), device=rows.device), :, ue] = candidates
        gain, count = self._gain[rows][:, None], serving.sum(2, keepdim=True)
        antennas = self.network.recipe.array.rows * self.network.recipe.array.columns
        array = (antennas - count + 1).clamp_min(1) / count.clamp_min(1)
        amplitude = ((gain * array).sqrt() * serving).sum(-1)
        interference = (gain * (~serving & (count > 0))).sum(-1)
        return (amplitude.square() / (interference + self.network.noise))[..., None, None]


class MeasuredPlanner(GainPlanner):
    """The planner without a twin: the gains that were measured last, those of other APs measured in turn."""

    def gains(self) -> torch.Tensor:
        """Measured gains; of an AP that was not heard, that of its floor."""
        return torch.pow(10.0, self.network.state.gain_db / 10)

    def probes(self, observation: Array, value_db: Array) -> Array:
        """In turn."""
        return self.oldest(observation)


class ChannelPlanner(ClusterPlanner):
    """A model that knows channels, and computes what the environment does."""

    @abstractmethod
    def channels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Channels at T times or places, and what precoders are made from, complex64 [B, T, U, A, F, antennas] each."""

    def look(self) -> torch.Tensor:
        """Keep the channels; returns the gains of the links of the UEs whose turn it is [B, A]."""
        self._h, self._sounded = self.channels()
        row = torch.arange(len(self._h), device=self._h.device)
        own = self._h[row, :, self.network.state.turn]
        return torch.view_as_real(own).square().sum(-1).mean((1, 3, 4))

    def sinr(self, rows: torch.Tensor, ue: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """SINR under the precoders that the APs would have, float32 [N, C, U, T, F].

        What an AP sends depends on whether it serves the UE, not on who else does. So all candidates are put together
        from what each AP gives with and without the UE.
        """
        h, sounded, noise = self._h[rows], self._sounded[rows].flatten(0, 1), self.network.noise
        times, row = h.shape[1], torch.arange(len(rows), device=rows.device)
        flat = h.flatten(0, 1)
        received = []
        for serves in (False, True):
            serving = self.network.state.serving[rows].clone()
            serving[row, ue] = serves
            w = local_precoders(sounded, serving.repeat_interleave(times, 0), noise)
            received.append((by_ap(flat) @ w).unflatten(0, (-1, times)).transpose(1, 2))  # [N, A, T, F, U, U]
        without, joining = received[0], received[1] - received[0]
        amplitude = candidates.to(joining.dtype) @ joining.flatten(2)
        amplitude = amplitude.unflatten(2, joining.shape[2:]) + without.sum(1)[:, None]  # [N, C, T, F, U, U]
        power = torch.view_as_real(amplitude).square().sum(-1)
        diagonal = power.diagonal(dim1=-2, dim2=-1)
        own = diagonal.clone()
        diagonal.zero_()  # not taken off the sum: far below the signal there would be nothing left of interference
        return (own / (power.sum(-1) + noise)).permute(0, 1, 4, 2, 3)
