"""What the network knows of cells with beams: everything that observations and policies may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.state import tensor
from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.schedule import BeamSchedule
from twin_envs.envs.core.network_view import NetworkState, NetworkView

NEVER_SLOTS = -(10**6)
"""When a beam was measured that never was."""


@dataclass(kw_only=True)
class BeamState(NetworkState):
    """What changes in B cells with U UEs, and E beams: K narrow ones and those of SSBs.

    Attributes:
        ap: serving AP, int64 [B].
        burst_slots: how long the burst of the UE in turn is, int64 [B].
        served_slots: how long the last burst was, int64 [B].
        beam: the beam that serves each UE, int64 [B, U].
        report_blocks: resource blocks that the SSB report of the UE in turn took, each for a slot, int64 [B].
        snr: signal-to-noise ratio of every beam as the network knows it from the last report of a measurement of it,
            linear, float32 [B, U, E]; of a beam that was measured and was not among the strongest, that of the weakest
            that was reported.
        bound: of which beams that is only a bound, bool [B, U, E].
        measured_slots: when it was measured, int64 [B, U, E].
        chosen_snr: of the beam in use when it was chosen, float32 [B, U].
        chosen_slots: when it was measured to be chosen, int64 [B, U].
        swept: number of beams that were swept in each UE's last burst, int64 [B, U].
        offset_db: the outer loop's offset, float32 [B, U].
    """

    ap: torch.Tensor = tensor("env", dtype=torch.int64)
    burst_slots: torch.Tensor = tensor("env", dtype=torch.int64)
    served_slots: torch.Tensor = tensor("env", dtype=torch.int64)
    report_blocks: torch.Tensor = tensor("env", dtype=torch.int64)
    beam: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    snr: torch.Tensor = tensor("env", "ue", "beam")
    bound: torch.Tensor = tensor("env", "ue", "beam", dtype=torch.bool)
    measured_slots: torch.Tensor = tensor("env", "ue", "beam", dtype=torch.int64, initial=NEVER_SLOTS)
    chosen_snr: torch.Tensor = tensor("env", "ue")
    chosen_slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    swept: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    offset_db: torch.Tensor = tensor("env", "ue")


class BeamView(NetworkView):
    """The network's view of B cells.

    Args:
        codebook: the beams.
        schedule: when they are on the air.
        yaw_error_rad: by how much each AP points elsewhere than the recipe says, as far as calibration could tell [A].
        twin: what the network's twin says of every beam, its arrays turned to where they really point.
        shared: see `NetworkView`.

    Attributes:
        state: what changes.
        codebook: the beams.
        schedule: when they are on the air, and what that takes.
        boresight_rad: where each AP points, as far as the network knows [A].
        yaw_error_rad: by how much each AP points elsewhere than the recipe says [A].
        twin: what the network's twin says of every beam.
        turn_slots: from one UE's burst to the next UE's.
    """

    config: BeamConfig
    state: BeamState

    def __init__(
        self, *, codebook: Codebook, schedule: BeamSchedule, yaw_error_rad: torch.Tensor, twin: BeamMap, **shared: Any
    ) -> None:
        device, config, recipe = shared["device"], shared["config"], shared["recipe"]
        state = BeamState.create(shared["num_envs"], device, ue=config.num_ue, beam=codebook.every)
        super().__init__(**shared, state=state)
        nominal_rad = torch.tensor([ap.yaw_rad for ap in recipe.access_points], device=device)
        self.codebook, self.schedule, self.twin = codebook, schedule, twin
        self.yaw_error_rad, self.boresight_rad = yaw_error_rad, nominal_rad + yaw_error_rad
        self.turn_slots = config.cycle_slots // config.num_ue

    def nearest(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The narrow beam that is in use by UE `ue` [N], or the one in the middle of a wide one in use, int64 [N]."""
        return self.codebook.order[self.state.beam[rows, ue], 0]
