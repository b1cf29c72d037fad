"""What the network knows of its cells with beams: everything that observations and policies may use."""

from __future__ import annotations

import torch

from twin_envs.envs.core.network_view import SensedUes
from twin_envs.world.sensing import Sensing

NEVER_SLOTS = -(10**6)
"""When a beam was measured that never was."""


class BeamKnown(SensedUes):
    """The network's view of B cells with U UEs and K beams.

    Attributes:
        ap: serving AP, int64 [B].
        now_slots: time in the episode, int64 [B].
        turn: the UE that wakes up now, int64 [B].
        burst_slots: how long its burst is, int64 [B].
        beam: the beam that serves each UE, int64 [B, U].
        snr: measured signal-to-noise ratio of every beam, linear, mean over the carrier, float32 [B, U, K].
        measured_slots: when it was measured, int64 [B, U, K].
        chosen_snr: of the beam in use when it was chosen, float32 [B, U].
        chosen_slots: when it was chosen, int64 [B, U].
        swept: number of beams in each UE's last sweep, int64 [B, U].
        offset_db: the outer loop's offset, float32 [B, U].
        acknowledged: share of blocks decoded in each UE's last burst, float32 [B, U].
        bits_per_re: delivered in each UE's last burst, per resource element, float32 [B, U].
        overhead: share of the last burst's resource elements that sweeps took, float32 [B].
        sensing: position and velocity estimates.
    """

    def __init__(self, num_envs: int, num_ue: int, beams: int, sensing: Sensing) -> None:
        device = sensing.position.device
        envs, ues = (num_envs,), (num_envs, num_ue)
        self.sensing = sensing
        self.ap, self.now_slots, self.turn, self.burst_slots = (
            torch.zeros(envs, dtype=torch.int64, device=device) for _ in range(4)
        )
        self.beam, self.swept, self.chosen_slots = (
            torch.zeros(ues, dtype=torch.int64, device=device) for _ in range(3)
        )
        self.snr = torch.zeros(*ues, beams, device=device)
        self.measured_slots = torch.full((*ues, beams), NEVER_SLOTS, device=device)
        self.offset_db, self.acknowledged, self.bits_per_re, self.chosen_snr = (
            torch.zeros(ues, device=device) for _ in range(4)
        )
        self.overhead = torch.zeros(envs, device=device)

    def clear(self, rows: torch.Tensor) -> None:
        """Forget environments `rows`."""
        for tensor in (self.now_slots, self.turn, self.beam, self.snr, self.swept, self.chosen_slots):
            tensor[rows] = 0
        self.measured_slots[rows] = NEVER_SLOTS
        self.offset_db[rows] = self.bits_per_re[rows] = self.overhead[rows] = 0.0
        self.acknowledged[rows] = 1.0
