"""What the network knows of itself and its UEs: everything that observations and policies may use."""

from __future__ import annotations

import torch

from twin_envs.envs.core.network_view import SensedUes
from twin_envs.world.sensing import Sensing

GAIN_FLOOR_DB = -140.0
"""Gain that stands for an AP that a UE did not hear."""


class Known(SensedUes):
    """The network's view of B episodes with U UEs and A APs.

    Attributes:
        now_slots: time in the episode, int64 [B].
        turn: the UE to decide about, int64 [B].
        decided: the UE that was decided about last, int64 [B]; -1 before the first decision.
        overhead: share of the resource elements of the last window that pilots and feedback took, float32 [B].
        serving: which AP serves which UE, bool [B, U, A].
        probing: which APs each UE measures besides, bool [B, U, A].
        joined: APs that the last decision about each UE added to those that serve it, bool [B, U, A].
        score: of the decision in force, float32 [B, U, A]; a full AP drops the UE with the lowest.
        gain_db: gain of each link when it was measured last, mean over antennas, float32 [B, U, A].
        measured_slots: when that was, int64 [B, U, A].
        changed_slots: when APs were last added to those of each UE, int64 [B, U]; negative before.
        offset_db: of link adaptation's outer loop, float32 [B, U].
        acknowledged: share of blocks decoded in the last window, float32 [B, U].
        bits_per_re: delivered to each UE in the last window, float32 [B, U].
        sensing: position and velocity estimates.
    """

    def __init__(self, num_envs: int, num_ue: int, aps: int, sensing: Sensing) -> None:
        device = sensing.position.device
        envs, ues, links = (num_envs,), (num_envs, num_ue), (num_envs, num_ue, aps)
        self.sensing = sensing
        self.now_slots, self.turn, self.decided = (
            torch.zeros(envs, dtype=torch.int64, device=device) for _ in range(3)
        )
        self.overhead = torch.zeros(envs, device=device)
        self.serving, self.probing, self.joined = (
            torch.zeros(links, dtype=torch.bool, device=device) for _ in range(3)
        )
        self.score, self.gain_db = (torch.zeros(links, device=device) for _ in range(2))
        self.measured_slots = torch.zeros(links, dtype=torch.int64, device=device)
        self.changed_slots = torch.zeros(ues, dtype=torch.int64, device=device)
        self.offset_db, self.acknowledged, self.bits_per_re = (torch.zeros(ues, device=device) for _ in range(3))

    def clear(self, rows: torch.Tensor) -> None:
        """Forget environments `rows`."""
        for links in (self.serving, self.probing, self.joined, self.score, self.measured_slots):
            links[rows] = 0
        self.now_slots[rows], self.turn[rows], self.decided[rows] = 0, 0, -1
        self.overhead[rows] = 0.0
        self.offset_db[rows] = self.bits_per_re[rows] = 0.0
        self.acknowledged[rows], self.gain_db[rows] = 1.0, GAIN_FLOOR_DB
        self.changed_slots[rows] = torch.iinfo(torch.int64).min // 2

    def load(self, rows: torch.Tensor) -> torch.Tensor:
        """UEs that each AP serves, int64 [N, A], in environments `rows` [N]."""
        return self.serving[rows].sum(1)
