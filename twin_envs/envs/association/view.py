"""What a network of access points knows: everything that observations and policies may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.state import tensor
from twin_envs.csi.joint import offsets_hz
from twin_envs.csi.nr.overhead import data_resource_elements
from twin_envs.envs.association.configuration import AssociationConfig, SelectionConfig
from twin_envs.envs.core.network_view import NetworkState, NetworkView
from twin_envs.twin.protocol import ChannelTwin

GAIN_FLOOR_DB = -140.0
"""Gain that stands for an AP that a UE did not hear."""
LONG_AGO_SLOTS = torch.iinfo(torch.int64).min // 2
"""When APs were added to those of a UE to which none ever were."""


@dataclass(kw_only=True)
class AssociationState(NetworkState):
    """What changes in B networks with U UEs, A APs and F frequencies.

    Attributes:
        turns: decisions so far, int64 [B].
        serving: which AP serves which UE, bool [B, U, A].
        probing: which APs each UE measures besides, bool [B, U, A].
        joined: APs that the last decision about each UE added to those that serve it, bool [B, U, A].
        score: of the decision in force, float32 [B, U, A]; a full AP drops the UE with the lowest.
        gain_db: gain of each link when it was measured last, mean over antennas, float32 [B, U, A].
        measured_slots: when that was, int64 [B, U, A].
        changed_slots: when APs were last added to those of each UE, int64 [B, U]; `LONG_AGO_SLOTS` before.
        offset_db: of link adaptation's outer loop, float32 [B, U].
        reported_sinr: SINR that each UE reported last, linear, float32 [B, U, F].
    """

    turns: torch.Tensor = tensor("env", dtype=torch.int64)
    serving: torch.Tensor = tensor("env", "ue", "ap", dtype=torch.bool)
    probing: torch.Tensor = tensor("env", "ue", "ap", dtype=torch.bool)
    joined: torch.Tensor = tensor("env", "ue", "ap", dtype=torch.bool)
    score: torch.Tensor = tensor("env", "ue", "ap")
    gain_db: torch.Tensor = tensor("env", "ue", "ap", initial=GAIN_FLOOR_DB)
    measured_slots: torch.Tensor = tensor("env", "ue", "ap", dtype=torch.int64)
    changed_slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64, initial=LONG_AGO_SLOTS)
    offset_db: torch.Tensor = tensor("env", "ue")
    reported_sinr: torch.Tensor = tensor("env", "ue", "frequency")


class AssociationView(NetworkView):
    """The network's view of B networks.

    Args:
        twin: the channel twin.
        shared: see `NetworkView`.

    Attributes:
        state: what changes.
        aps: A.
        ap_position_m: float32 [A, 3].
        offset_hz: baseband frequencies at which channels are looked at [F].
    """

    config: AssociationConfig | SelectionConfig
    state: AssociationState

    def __init__(self, *, twin: ChannelTwin, **shared: Any) -> None:
        device, recipe = shared["device"], shared["recipe"]
        self.twin, self.offset_hz = twin, offsets_hz(recipe, device)
        self.ap_position_m = shared["geometry"].ap_position_m
        self.aps = len(self.ap_position_m)
        sizes = {"ue": shared["config"].num_ue, "ap": self.aps, "frequency": len(self.offset_hz)}
        super().__init__(**shared, state=AssociationState.create(shared["num_envs"], device, **sizes))

    def data_elements(self, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Resource elements for data of a UE in the slots `start` to `until` - 1, pilots not yet taken off, int64."""
        slots, symbols = self.tdd.downlink(start, until)
        return data_resource_elements(slots, symbols, self.carrier_blocks, torch.ones_like(slots))

    def load(self, rows: torch.Tensor) -> torch.Tensor:
        """UEs that each AP serves, int64 [N, A], in environments `rows` [N]."""
        return self.state.serving[rows].sum(1)


def association_view(network: NetworkView) -> AssociationView:
    """The view, if it is one of access points that are chosen. Raises `ConfigurationError` for another."""
    if not isinstance(network, AssociationView):
        raise ConfigurationError(f"the environments must be about access points, got {type(network).__name__}")
    return network
