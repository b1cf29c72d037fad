"""What every channel twin can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.error import TwinError
from twin_envs.twin.knowledge import Knowledge, SensedState
from twin_envs.twin.measurements import Measurements
from twin_envs.world.atlas.atlas import LocalPaths


@runtime_checkable
class ChannelTwin(Protocol):
    """A model that answers: what is the channel like there?"""

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N]."""


@dataclass(frozen=True, kw_only=True)
class ExpectedPaths:
    """The paths that a twin expects between N UEs and their APs, as a prior for estimation.

    Attributes:
        delay_s: [N, P], after the first path.
        column_cycles, row_cycles: growth of the phase from antenna column to column, and row to row [N, P].
        power: [N, P], 0 for padding.
        distance_m: [N], length of the first path; 0 where the twin has none.
    """

    delay_s: torch.Tensor
    column_cycles: torch.Tensor
    row_cycles: torch.Tensor
    power: torch.Tensor
    distance_m: torch.Tensor


@runtime_checkable
class ExpectsPaths(Protocol):
    """Capability: a prior for channel estimation."""

    def expected_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ExpectedPaths:
        """Paths that the twin expects at `position_m` [N, 3], to access points `ap` int64 [N]."""


@dataclass(frozen=True, kw_only=True)
class ArrivingPaths(ExpectedPaths):
    """The same paths, with how they arrive, so that their Doppler shifts are known.

    Attributes:
        arrival: directions of propagation at the UE [N, P, 3].
    """

    arrival: torch.Tensor


@runtime_checkable
class ExpectsArrivals(Protocol):
    """Capability: a prior for channel prediction."""

    def arriving_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ArrivingPaths:
        """Paths that the twin expects at `position_m` [N, 3], to access points `ap` int64 [N]."""


@runtime_checkable
class LearnsError(Protocol):
    """Capability: a twin that can be told how wrong it has turned out to be."""

    def knowing(self, error: TwinError) -> ChannelTwin:
        """The same twin, whose knowledge is corrected by `error` and has the uncertainty that comes of it."""


@runtime_checkable
class LearnsKnowledge(Protocol):
    """Capability: a twin that learns its knowledge from what the network has measured."""

    def learning(self, measured: Measurements) -> ChannelTwin:
        """The twin that has learnt from what was `measured`, and from nothing else.

        It states its uncertainty; if it has `LearnsError`, too, it is then told how wrong it is at places that were
        kept from it (see `learnt`).

        Raises:
            ConfigurationError: nothing can be learnt from these measurements (see `check_measurements`).
        """


@runtime_checkable
class GivesChannels(Protocol):
    """Capability: channels at any position, with the propagation paths behind them."""

    def paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> LocalPaths:
        """Paths from access points `ap` int64 [N] to `position_m` [N, 3]."""

    def channel(
        self, position_m: torch.Tensor, ap: torch.Tensor, offset_hz: torch.Tensor, *, synchronised: bool = False
    ) -> torch.Tensor:
        """Channels, complex64 [N, F, antennas], at baseband frequencies `offset_hz` [F].

        `synchronised`: delays are relative to the first path, as a UE's receiver takes them.
        """

    def waves(self, paths: LocalPaths, offset_hz: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The channel of each path, in two factors: see `Atlas.waves`."""


@runtime_checkable
class GivesLinks(Protocol):
    """Capability: the channels from all access points at once."""

    def links(self, position_m: torch.Tensor, offset_hz: torch.Tensor) -> torch.Tensor:
        """Channels to K UEs at `position_m` [K, 3], complex64 [K, A, F, antennas]; zero where there is no path."""


class Beams(Protocol):
    """Beams of a planar array, as a channel twin has to know them.

    Attributes:
        beams: their number K.
        weights: complex64 [K, antennas], each of unit power.
    """

    beams: int
    weights: torch.Tensor

    def response(self, row_cycles: torch.Tensor, column_cycles: torch.Tensor) -> torch.Tensor:
        """Power gain of every beam for plane waves, float32 [N, K].

        Args:
            row_cycles, column_cycles: growth of the wave's phase from antenna row to row, column to column [N].
        """


@runtime_checkable
class GivesBeamPower(Protocol):
    """Capability: the power of every beam of an access point."""

    def beam_power(
        self, position_m: torch.Tensor, ap: torch.Tensor, beams: Beams, yaw_error_rad: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Power gain of every beam of access points `ap` int64 [N] at `position_m` [N, 3], and who is in sight.

        Args:
            position_m: where.
            ap: of whom.
            beams: the K beams.
            yaw_error_rad: by how much each AP points elsewhere than the twin says [A]; None for nothing.

        Returns:
            mean over small-scale fading, float32 [N, K], 0 where the twin has no channel; line of sight, bool [N].
        """


def require(twin: ChannelTwin, capability: Any, needed_for: str) -> Any:
    """The twin, if it has a capability.

    Args:
        twin: the channel twin.
        capability: one of the protocols of this module.
        needed_for: what cannot be done without it.

    Raises:
        ConfigurationError: the twin lacks the capability; the message names the methods that are missing.
    """
    if isinstance(twin, capability):
        return twin
    asked = [name for name, value in vars(capability).items() if callable(value) and not name.startswith("_")]
    missing = [name for name in asked if not hasattr(twin, name)]
    raise ConfigurationError(
        f"channel_twin {type(twin).__name__} has no {', '.join(missing)}: {needed_for} needs "
        f"{capability.__name__} (twin_envs.twin.protocol); choose another twin, such as 'traced', or do without"
    )
