"""What every predictor of channels can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch

from twin_envs.base.state import TensorState
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.knowledge import SensedState


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a predictor works.

    Attributes:
        grid: sizes of a channel.
        subband_hz: baseband frequency at which each subband is reported [F], evenly spaced.
        wavelength_m: of the carrier.
        slot_s: duration of a slot.
        twin: the channel twin of the network.
        device: where everything is computed.
    """

    grid: AngleDelayGrid
    subband_hz: torch.Tensor
    wavelength_m: float
    slot_s: float
    twin: Any
    device: torch.device


@dataclass(frozen=True, kw_only=True)
class Report:
    """Reports of N UEs that have just arrived.

    Attributes:
        h: what was decoded, complex64 [N, F, antennas].
        measured_slots: when the channels were measured, int64 [N].
        nmse: normalised error that the cell expects of the codec, linear [N].
        sensed: where the UEs are and how they move.
        position_m: where they are sensed, in space [N, 3].
        ap: their access points, int64 [N].
    """

    h: torch.Tensor
    measured_slots: torch.Tensor
    nmse: torch.Tensor
    sensed: SensedState
    position_m: torch.Tensor
    ap: torch.Tensor


class Predicted(NamedTuple):
    """What the cell believes of U UEs in each of N cells.

    Attributes:
        h: channels, complex64 [N, F, U, antennas]. The phase of a UE's channel in a subband has no meaning.
        error: power that each UE is expected to catch because `h` is not exact, in units of the transmit power,
            float32 [N, U].
    """

    h: torch.Tensor
    error: torch.Tensor


class Predictor(Protocol):
    """Turns reports into channels of a later time. It knows reports, sensing and the twin; never reality.

    What it keeps of each UE is a `TensorState`, which it makes and others hold.
    """

    asks: Any
    """Capability of a channel twin (see `twin_envs.twin.protocol`) that it needs; None for one that asks no twin."""

    predicts: bool
    """Whether the channels that it predicts change between reports; the error may change in any case."""

    def create(self, num_envs: int, num_ue: int) -> TensorState:
        """The state of `num_envs` cells with `num_ue` UEs each, before the first report."""

    def learn(self, state: Any, rows: torch.Tensor, ue: torch.Tensor, report: Report) -> None:
        """Take note of the report of UE `ue` [N] in environments `rows` [N]."""

    def predict(self, state: Any, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        """The channels of all UEs in environments `rows` [N] at `slots` [N], int64 or float.

        Args:
            state: from `create`.
            rows: environments, which may repeat.
            slots: time; before a UE's last report was measured, anything may be said of that UE.
            reported: the last reports as they were decoded, and the error expected of the codec.
        """
