"""What actions about beams mean: sweeps about a centre, and twins that can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch

from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.codebook import SWEEPS, Codebook
from twin_envs.envs.beams.view import BeamView

Array = np.ndarray[Any, Any]
REFINED_BEAMS = 7
"""Beams round that of the UE's SSB that are swept when its burst begins."""
ANSWER_BEAMS = 3
"""Beams of an answer that are swept, with the beam in use."""


class BeamActions:
    """Sweeps: action 5 b + w is about beam b, with the width w, an index into `SWEEPS`; with w = 0 b serves at once.

    Args:
        codebook: the beams.

    Attributes:
        space: the action space.
    """

    def __init__(self, codebook: Codebook) -> None:
        self.codebook = codebook
        self.space = gymnasium.spaces.Discrete(codebook.beams * len(SWEEPS))

    def decode(self, actions: torch.Tensor) -> torch.Tensor:
        """The beams that are swept, bool [N, E], by actions [N]."""
        return self.codebook.swept(actions // len(SWEEPS), self.codebook.sweep_sizes[actions % len(SWEEPS)])

    def encode(self, *, centre: Array, width: Array) -> Array:
        """Actions for the centres and widths [N] of sweeps."""
        return centre * len(SWEEPS) + width


class TwinActions:
    """Twins that can be asked: action i asks the i-th, the quickest first.

    Args:
        network: the network's view.
        latency_slots: how long the answer of each twin world takes, the quickest first [slots].
        maps: what each of them says of every beam.

    Attributes:
        space: the action space.
        twins: names of the worlds.
        latency_slots: of their answers, int64 [twins].
        maps: what each of them says of every beam.
    """

    def __init__(self, network: BeamView, latency_slots: Mapping[str, int], maps: Sequence[BeamMap]) -> None:
        self._network, self.twins = network, tuple(latency_slots)
        self.latency_slots = torch.tensor(list(latency_slots.values()), device=network.device)
        self.maps = tuple(maps)
        self.space = gymnasium.spaces.Discrete(len(self.twins))

    def refined(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """What UE `ue` [N] sweeps when its burst begins, bool [N, E]."""
        beam = self._network.state.beam[rows, ue]
        return self._network.codebook.swept(beam, torch.full_like(beam, REFINED_BEAMS))

    def answer(self, rows: torch.Tensor, ue: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """What the twins that `actions` [N] name answer about UE `ue` [N] now, bool [N, E].

        The `ANSWER_BEAMS` best beams where sensing sees the UE; none if the twin has no path there.
        """
        network = self._network
        beams = torch.zeros(len(rows), network.codebook.every, dtype=torch.bool, device=rows.device)
        for index, beam_map in enumerate(self.maps):
            asked = (actions == index).nonzero()[:, 0]
            if len(asked):
                beliefs = beam_map.ask(network.sensed(rows[asked], ue[asked]), network.state.ap[rows[asked]])
                best = beliefs.mean_power.topk(ANSWER_BEAMS, -1).indices
                answered = (beliefs.covered > 0)[:, None].expand(-1, ANSWER_BEAMS)
                beams[asked] = beams[asked].scatter_(1, best, answered)
        return beams

    def with_kept(self, rows: torch.Tensor, ue: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
        """The beams [N, E], and the one in use by UE `ue` [N]."""
        return beams.scatter(1, self._network.state.beam[rows, ue][:, None], True)
