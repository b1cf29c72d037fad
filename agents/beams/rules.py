"""Rules that practitioners use to choose which beams to sweep, without a twin."""

from __future__ import annotations

from abc import abstractmethod

import torch

from twin_envs.agents.core.policies import Array, StatelessPolicy
from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.base.settings import computing, lasting
from twin_envs.base.units import linear_to_db
from twin_envs.envs.beams.actions import BeamActions
from twin_envs.envs.beams.codebook import SWEEPS
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.network_view import NetworkView

ALL = len(SWEEPS) - 1
"""The sweep of all beams."""


class SweepPolicy(StatelessPolicy):
    """Chooses the centre and the width of a sweep by what the network knows."""

    def attach(self, network: NetworkView) -> None:
        """Sweep in these environments. Raises `ConfigurationError` if they are not about sweeps of beams."""
        if not isinstance(network, BeamView) or not isinstance(network.actions, BeamActions):
            raise ConfigurationError(f"the environments must be about sweeps of beams, got {type(network).__name__}")
        self.network, self.actions = network, network.actions

    @abstractmethod
    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Centre of the sweep and its width, an index into `SWEEPS`, int64 [N] each, for UE `ue` [N] in `rows` [N]."""

    def act(self, observation: Array) -> Array:
        """The action of the sweep that `choose` chooses in each environment, [N]."""
        with computing(self.network.num_envs):
            rows = torch.arange(self.network.num_envs, device=self.network.device)
            centre, width = self.choose(rows, self.network.state.turn)
            return self.actions.encode(centre=centre.cpu().numpy(), width=width.cpu().numpy())


class LastBeam(SweepPolicy):
    """Always the same number of beams round the beam in use.

    Args:
        width: index into `SWEEPS`.
    """

    def __init__(self, width: int) -> None:
        check_choice("width", width, range(len(SWEEPS)))
        self.width = width

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The beam in use, always the same width."""
        return self.network.state.beam[rows, ue], torch.full_like(ue, self.width)


class RememberingPolicy(SweepPolicy):
    """A rule that keeps a number for each UE from turn to turn, 0 when an episode begins."""

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Begin with nothing kept."""
        super().attach(network)
        self._kept = torch.zeros(self.network.num_envs, self.network.config.num_ue, device=self.network.device)

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The beam in use, and the width by the number kept."""
        state = self.network.state
        self._kept[rows[state.now_slots[rows] == 0]] = 0.0
        width, self._kept[rows, ue] = self.widen(rows, ue, self._kept[rows, ue])
        return state.beam[rows, ue], width

    @abstractmethod
    def widen(self, rows: torch.Tensor, ue: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Width of the sweep about the beam in use, and the number to keep, from the number kept [N]."""


class PeriodicSweep(RememberingPolicy):
    """A few beams round the beam in use, and all beams every so many turns.

    Args:
        width: of the other sweeps, index into `SWEEPS`.
        turns: from one sweep of all beams to the next, 1 to 10,000.
    """

    def __init__(self, width: int, turns: int) -> None:
        check_choice("width", width, range(len(SWEEPS)))
        check_number("turns", turns, 1, 10_000, integer=True)
        self.width, self.turns = width, turns

    def widen(self, rows: torch.Tensor, ue: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All beams when it is time; kept are the turns since they were swept."""
        everything = kept + 1 >= self.turns
        return torch.where(everything, ALL, self.width), torch.where(everything, 0.0, kept + 1)


class TriggeredSweep(RememberingPolicy):
    """A few beams round the beam in use; all beams when its signal has fallen.

    Args:
        width: of the other sweeps, index into `SWEEPS`.
        drop_db: all beams are swept when the beam in use has fallen by so much from the highest since they were swept
            last, 0.1 to 100 dB.
    """

    def __init__(self, width: int, drop_db: float) -> None:
        check_choice("width", width, range(len(SWEEPS)))
        check_number("drop_db", drop_db, 0.1, 100.0)
        self.width, self.drop_db = width, drop_db

    def widen(self, rows: torch.Tensor, ue: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All beams when the signal has fallen; kept is the highest signal, 0 to begin anew."""
        signal = self.network.state.snr[rows, ue, self.network.state.beam[rows, ue]]
        highest = torch.maximum(kept, signal)
        fallen = linear_to_db(highest) - linear_to_db(signal) > self.drop_db
        return torch.where(fallen, ALL, self.width), torch.where(fallen, 0.0, highest)


class HierarchicalSweep(RememberingPolicy):
    """Wider and wider sweeps round the beam in use while its signal stays low, up to all beams; a few otherwise.

    Args:
        width: of the narrowest sweeps, index into `SWEEPS`.
        drop_db: a signal is low that is so much below the highest since all beams were swept last, 0.1 to 100 dB.
    """

    def __init__(self, width: int, drop_db: float) -> None:
        check_choice("width", width, range(len(SWEEPS)))
        check_number("drop_db", drop_db, 0.1, 100.0)
        self.width, self.drop_db = width, drop_db

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Begin with the narrowest sweeps."""
        super().attach(network)
        self._stage = torch.zeros(self._kept.shape, dtype=torch.int64, device=self.network.device)

    def widen(self, rows: torch.Tensor, ue: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A step wider while the signal stays low; kept is the highest signal, 0 to begin anew."""
        self._stage[rows[self.network.state.now_slots[rows] == 0]] = 0
        signal = self.network.state.snr[rows, ue, self.network.state.beam[rows, ue]]
        highest = torch.maximum(kept, signal)
        fallen = linear_to_db(highest) - linear_to_db(signal) > self.drop_db
        stage = torch.where(fallen, self._stage[rows, ue] + 1, 0)
        width = (self.width + stage).clamp_max(ALL)
        everything = fallen & (width == ALL)
        self._stage[rows, ue] = torch.where(everything, 0, stage)
        return width, torch.where(everything, 0.0, highest)
