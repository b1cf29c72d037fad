"""What the network knows of its cells: everything that observations and policies may use."""

from __future__ import annotations

import torch

from twin_envs.envs.core.network_view import SensedUes
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge
from twin_envs.world.sensing import Sensing

AGE_EDGES_SLOTS = (10, 20, 40, 80, 160)
"""Ages of CSI [slots] that part the ranges for each of which link adaptation has an offset of its own."""


class Known(SensedUes):
    """The network's view of B cells with U UEs, F subbands and A antennas.

    Attributes:
        ap: serving AP, int64 [B].
        now_slots: time in the episode, int64 [B].
        reporter: the UE that has just reported, int64 [B].
        h_hat: the CSI that the cell has (whitened, see `Reality`), complex64 [B, F, U, A].
        report_slots: when each UE reported last, int64 [B, U].
        due_slots: when each UE will want to report next, int64 [B, U].
        period_slots: the period last chosen for each UE, int64 [B, U].
        spacing: resource blocks from one CSI-RS pilot of each UE's next report to the next, int64 [B, U].
        codeword_bits: length of its codeword, int64 [B, U].
        dmrs_additional: additional DM-RS positions of each UE's data, int64 [B, U].
        similarity: squared cosine similarity of each UE's last report and the one before, float32 [B, U].
        gap_slots: time between these two, int64 [B, U]; 0 before the second report.
        offset_db: the outer loop's offset by age of the CSI, float32 [B, U, K], K ranges parted by `AGE_EDGES_SLOTS`.
        acknowledged: share of blocks decoded in the last window, float32 [B, U].
        bits_per_re: delivered to each UE per resource element, the mean over the last window, lost blocks taken off,
            float32 [B, U].
        sensing: position and velocity estimates.
        knowledge: what the twin said when each UE reported last, [B, U, ...].
    """

    def __init__(self, num_envs: int, num_ue: int, subbands: int, antennas: int, sensing: Sensing) -> None:
        device = sensing.position.device
        envs, ues = (num_envs,), (num_envs, num_ue)
        self.sensing = sensing
        self.ap, self.now_slots, self.reporter = (torch.zeros(envs, dtype=torch.int64, device=device) for _ in range(3))
        self.report_slots, self.due_slots, self.period_slots, self.gap_slots = (
            torch.zeros(ues, dtype=torch.int64, device=device) for _ in range(4)
        )
        self.spacing, self.codeword_bits, self.dmrs_additional = (torch.zeros_like(self.due_slots) for _ in range(3))
        self.similarity, self.acknowledged, self.bits_per_re = (torch.zeros(ues, device=device) for _ in range(3))
        self.offset_db = torch.zeros(*ues, len(AGE_EDGES_SLOTS) + 1, device=device)
        self.h_hat = torch.zeros(num_envs, subbands, num_ue, antennas, dtype=torch.complex64, device=device)
        fields = len(KNOWLEDGE_FIELDS)
        self.knowledge = Knowledge(
            known=torch.zeros(ues, device=device),
            values=torch.zeros(*ues, fields, device=device),
            std=torch.zeros(*ues, fields, device=device),
        )

    def clear(self, rows: torch.Tensor) -> None:
        """Forget environments `rows`."""
        for tensor in (self.now_slots, self.reporter, self.report_slots, self.period_slots, self.gap_slots, self.h_hat):
            tensor[rows] = 0
        self.offset_db[rows] = self.bits_per_re[rows] = 0.0
        self.similarity[rows], self.acknowledged[rows] = 1.0, 1.0

    def state_tensors(self) -> list[torch.Tensor]:
        """All that is known of one environment and not of another, [B, ...] each; what `sensing` holds left out."""
        return [
            *(self.ap, self.now_slots, self.reporter, self.report_slots, self.due_slots, self.period_slots),
            *(self.gap_slots, self.spacing, self.codeword_bits, self.dmrs_additional),
            *(self.similarity, self.acknowledged, self.bits_per_re, self.offset_db, self.h_hat),
            *(self.knowledge.known, self.knowledge.values, self.knowledge.std),
        ]

    def learn(self, rows: torch.Tensor, ue: torch.Tensor, knowledge: Knowledge) -> None:
        """Keep the knowledge [N] of UE `ue` [N] in environments `rows` [N]."""
        self.knowledge.known[rows, ue] = knowledge.known
        self.knowledge.values[rows, ue] = knowledge.values
        self.knowledge.std[rows, ue] = knowledge.std
