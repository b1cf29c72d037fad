"""What comes of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What is paid for out of what was delivered.

    Attributes:
        ue: the UE that pays, int64 [N]; None where the cell pays, its UEs in equal parts.
        costs: what could have been sent in the resource elements that were spent, by what they were spent on; float32
            [N] each, in the unit of the return.
    """

    ue: torch.Tensor | None
    costs: dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What came of a decision in N environments of U UEs, up to the next one.

    Attributes:
        delivered_by_ue: what was delivered to each UE, over the bandwidth and the episode's time (where beams are
            chosen, that of its bursts) [bit/s/Hz], float32 [N, U].
        charges: what was spent, and who pays.
        elapsed_slots: the time that passed, int64 [N].
        truncated: the episode's time is over, bool [N].
        ue: the UE that `info` is about, int64 [N].
        facts: whatever else is worth knowing, [N, ...] each.
    """

    delivered_by_ue: torch.Tensor
    charges: tuple[Charge, ...]
    elapsed_slots: torch.Tensor
    truncated: torch.Tensor
    ue: torch.Tensor
    facts: dict[str, torch.Tensor] = field(default_factory=dict)

    @cached_property
    def by_ue(self) -> torch.Tensor:
        """What each UE added to the return, what it paid taken off [bit/s/Hz], float32 [N, U]."""
        by_ue = self.delivered_by_ue.clone()
        for charge in self.charges:
            total = torch.stack(tuple(charge.costs.values())).sum(0)
            if charge.ue is None:
                by_ue -= (total / by_ue.shape[1])[:, None]
            else:
                by_ue.scatter_add_(1, charge.ue[:, None], -total[:, None])
        return by_ue

    @cached_property
    def delivered(self) -> torch.Tensor:
        """What was delivered to all UEs, float32 [N]."""
        return self.delivered_by_ue.sum(-1)

    @cached_property
    def reward(self) -> torch.Tensor:
        """Net spectral efficiency, float32 [N]: an episode's rewards add up to the mean over that time [bit/s/Hz]."""
        return self.by_ue.sum(-1)

    @property
    def info(self) -> dict[str, torch.Tensor]:
        """The terms of the reward by name, the time that passed, the facts and whom they are about, [N, ...] each."""
        costs: dict[str, torch.Tensor] = {}
        for charge in self.charges:
            for name, cost in charge.costs.items():
                costs[name] = costs[name] + cost if name in costs else cost
        terms = {"by_ue": self.by_ue, "delivered": self.delivered, **costs}
        return terms | {"elapsed_slots": self.elapsed_slots, **self.facts, "ue": self.ue}
