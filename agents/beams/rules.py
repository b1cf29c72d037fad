"""Rules that choose which beams to sweep by what UEs reported, without a twin."""

from __future__ import annotations

from abc import abstractmethod

import torch

from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.base.settings import computing
from twin_envs.base.units import linear_to_db
from twin_envs.csi.beams.codebook import SWEEPS
from twin_envs.envs.beams.actions import BeamActions
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.network_view import NetworkView

AT_ONCE, ALL = 0, len(SWEEPS) - 1
"""Widths: a beam that serves at once, and the sweep of all beams."""


class SweepPolicy(ViewPolicy):
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


class SteadySweep(SweepPolicy):
    """Always the same number of beams round a centre.

    Args:
        width: index into `SWEEPS`.
    """

    def __init__(self, width: int) -> None:
        check_choice("width", width, range(len(SWEEPS)))
        self.width = width

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The centre, always the same width."""
        return self.centre(rows, ue), torch.full_like(ue, self.width)

    @abstractmethod
    def centre(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The beam round which UE `ue` [N] in `rows` [N] sweeps, int64 [N]."""


class LastBeam(SteadySweep):
    """Always the same number of beams round the beam in use, such as that of the strongest SSB; see `SteadySweep`."""

    def centre(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The beam in use."""
        return self.network.nearest(rows, ue)


class DoubtfulReport(SweepPolicy):
    """A few beams round the beam in use where its report may be wrong by now; else the beam in use at once.

    Args:
        width: of the sweeps, index into `SWEEPS`.
    """

    def __init__(self, width: int) -> None:
        check_choice("width", width, range(AT_ONCE + 1, len(SWEEPS)))
        self.width = width

    @abstractmethod
    def doubts(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Whether the report about UE `ue` [N] in `rows` [N] may be wrong, bool [N]."""

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The beam in use, and the width where there is doubt."""
        return self.network.nearest(rows, ue), torch.where(self.doubts(rows, ue), self.width, AT_ONCE)


class CloseReport(DoubtfulReport):
    """Doubts a report of SSBs in which another one is nearly as strong as the strongest.

    Args:
        width: of the sweeps, index into `SWEEPS`.
        margin_db: how much weaker the other one may be, 0 to 100 dB.
    """

    def __init__(self, width: int, margin_db: float) -> None:
        super().__init__(width)
        check_number("margin_db", margin_db, 0.0, 100.0)
        self.margin_db = margin_db

    def doubts(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Whether the second SSB is within the margin."""
        strongest_db = linear_to_db(self.network.state.snr[rows, ue][:, self.network.codebook.ssbs].topk(2, -1).values)
        return strongest_db[:, 0] - strongest_db[:, 1] <= self.margin_db


class AgedReport(DoubtfulReport):
    """Doubts a report since which the UE has gone some way.

    Args:
        width: of the sweeps, index into `SWEEPS`.
        way_m: sensed speed times the report's age, 0 to 1000 m.
    """

    def __init__(self, width: int, way_m: float) -> None:
        super().__init__(width)
        check_number("way_m", way_m, 0.0, 1000.0)
        self.way_m = way_m

    def doubts(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Whether the UE has gone further."""
        network, state, mine = self.network, self.network.state, (rows, ue)
        age_s = (state.now_slots[rows] - state.chosen_slots[mine]) * network.slot_s
        return age_s * network.sensing.velocity[mine].norm(dim=-1) > self.way_m
