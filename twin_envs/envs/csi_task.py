"""Decisions about the CSI of the UE that has just reported: what they share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from twin_envs.envs.cell import Cell, Decision, Outcome
from twin_envs.envs.configuration import CellConfig
from twin_envs.envs.observation import CSI_LAYOUT, observe_csi
from twin_envs.envs.task import Step, Task
from twin_envs.envs.view import Link, View

_FULL_RATE = 3.0
"""Bits per resource element of a UE whose link is drawn as strong as any."""


class CsiTask(Task):
    """A step is one report by one UE; the action is about its next one."""

    options = CellConfig
    layout = CSI_LAYOUT

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        self.core: Cell = Cell(config, num_envs, device)
        self._decided = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self._overhead = torch.zeros(num_envs, device=device)
        self._actions = torch.zeros(num_envs, *(self.action_space.shape or ()), dtype=torch.int64, device=device)

    @abstractmethod
    def decide(self, actions: torch.Tensor) -> Decision:
        """What the actions [N, ...] decide."""

    @abstractmethod
    def say(self, action: torch.Tensor) -> str:
        """What an action decides, in words that follow "UE 3: "."""

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE that has just reported."""
        return self.core.known.reporter[rows]

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `CSI_LAYOUT`."""
        return observe_csi(self.core, rows, ue)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Let the cells run until their next report."""
        self._decided[rows], self._actions[rows] = self.core.known.reporter[rows], actions
        outcome = self.core.step(rows, self.decide(actions))
        self._overhead[rows] = (outcome.pilot_cost + outcome.feedback_cost) / outcome.delivered.clamp_min(1e-9)
        return describe_outcome(outcome, self.core.known.reporter[rows])

    def view(self, row: int) -> View:
        """The serving AP's link to each UE, as strong as its rate; how old its CSI is, and how fast it ages."""
        known, slot_ms = self.core.known, 1e3 * self.core.slot_s
        now_slots = int(known.now_slots[row])
        ap, rate = int(known.ap[row]), _numbers(known.bits_per_re[row])
        decided = int(self._decided[row]) if now_slots > 0 else None
        seen = _numbers(known.knowledge.known[row]) > 0
        coherence_ms = 1e3 * _numbers(known.knowledge["coherence_time_s"][row])
        return View(
            time_s=now_slots * self.core.slot_s,
            ue_m=_numbers(known.sensing.position[row]),
            ue_std_m=_numbers(known.sensing.position_std_m[row]),
            deciding=int(known.reporter[row]),
            decided=decided,
            decision="" if decided is None else f"UE {decided}: {self.say(self._actions[row])}",
            serving=(ap,),
            links=tuple(Link(ap=ap, ue=ue, strength=min(r / _FULL_RATE, 1.0)) for ue, r in enumerate(rate.tolist())),
            ue_rate=rate,
            overhead=float(self._overhead[row]) if now_slots > 0 else 0.0,
            notes={
                "speed [m/s]": _numbers(known.sensing.velocity[row].norm(dim=-1)),
                "coherence [ms]": np.where(seen, coherence_ms, np.nan),
                "CSI age [ms]": slot_ms * _numbers(now_slots - known.report_slots[row]),
                "due in [ms]": slot_ms * _numbers((known.due_slots[row] - now_slots).clamp_min(0)),
            },
        )


def _numbers(values: torch.Tensor) -> np.ndarray[Any, Any]:
    """float64, the shape of `values`."""
    return values.cpu().numpy().astype(np.float64)


def describe_outcome(outcome: Outcome, reporter: torch.Tensor) -> Step:
    """A window of N cells as a step; UE `reporter` [N] made the report at its end."""
    by_ue = outcome.delivered_by_ue.clone()
    by_ue.scatter_add_(1, reporter[:, None], -(outcome.pilot_cost + outcome.feedback_cost)[:, None])
    return Step(
        by_ue=by_ue,
        truncated=outcome.truncated,
        info={
            "delivered": outcome.delivered,
            "pilot_cost": outcome.pilot_cost,
            "feedback_cost": outcome.feedback_cost,
            "elapsed_slots": outcome.elapsed_slots,
            "csi_age_slots": outcome.csi_age_slots,
            "ue": reporter,
        },
    )
