"""Planning report periods from how the CSI of each UE will age."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch

from twin_envs.csi.overhead import csi_rs_resource_elements, data_resource_elements, feedback_resource_elements
from twin_envs.envs.cell import Cell
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.vector import CellVectorEnv

AGES_SLOTS = (0, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
"""Ages at which a planner looks at the channel."""
MOST_BITS_PER_RE = 7.2
"""Rate of the highest MCS in use (TS 38.214, table 5.1.3.1-2)."""
IDEAL_PERIODS_SLOTS = np.geomspace(REPORT_PERIODS_SLOTS[0], REPORT_PERIODS_SLOTS[-1], 45)
"""Periods among which a plan is made before it is rounded to those that NR has."""
_PRICES = 64
_LEAST_LOSS = 0.02
"""Losses below so many bits per resource element are not told apart."""


def _mean_weights() -> torch.Tensor:
    """W [periods, ages]: W @ f is the mean of f, linear between the ages, from age 0 to each period."""
    fine = np.arange(AGES_SLOTS[-1]) + 0.5
    hats = np.stack([np.interp(fine, AGES_SLOTS, row) for row in np.eye(len(AGES_SLOTS))], -1)
    means = np.cumsum(hats, 0) / np.arange(1, len(fine) + 1)[:, None]
    return torch.tensor(means[np.round(IDEAL_PERIODS_SLOTS).astype(int) - 1], dtype=torch.float32)


def rate_by_age(h: torch.Tensor, w: torch.Tensor, noise: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
    """Bits per resource element that UE `ue` [N] gets while its channel moves on and the precoder stays.

    Args:
        h: its channel at each age, complex64 [N, ages, F, A].
        w: the precoder, complex64 [N, F, A, U].
        noise: at this UE, in units of the transmit power [N].
        ue: which column of `w` is its own.

    Returns:
        float32 [N, ages]: log2(1 + SINR), mean over subbands, at most the rate of the highest MCS.
    """
    power = torch.einsum("nafc,nfcu->nafu", h, w).abs().square()
    own = power.gather(-1, ue[:, None, None, None].expand(*power.shape[:3], 1))[..., 0]
    sinr = own / (power.sum(-1) - own + noise[:, None, None])
    return torch.log2(1 + sinr).clamp_max(MOST_BITS_PER_RE).mean(-1)


class Planner(ABC):
    """Chooses periods so that the cell loses the least to ageing, given what the uplink carries.

    For each UE the mean loss of rate over a period and the share of a report in it are known functions of the
    period. A common price per report makes them comparable: each UE takes the period that costs it least, and the
    price is the lowest at which all periods together ask for no more reports than the uplink carries (a Lagrange
    multiplier). It cannot fall below what a report's pilots and feedback cost. What rounding to the periods of NR takes
    from a UE it gets back the next time.

    A subclass says what rate a UE will get as its CSI ages.

    Args:
        utilisation: reports that the plan asks for, over those that the uplink carries. Above 1 the uplink is never
            idle, and who is due first still goes first.
        trust: how far the differences between the UEs' losses are believed, from 0 (all alike) to 1; the logarithm of
            each loss is drawn towards the cell's mean by the rest.
    """

    def __init__(self, utilisation: float = 2.0, trust: float = 1.0) -> None:
        self.utilisation, self.trust = utilisation, trust
        self._weights = _mean_weights()

    def attach(self, envs: CellVectorEnv) -> None:
        """Plan for these environments from now on."""
        self.cell = envs.cell
        shape = (self.cell.num_envs, self.cell.config.num_ue)
        self._rate = torch.zeros(*shape, len(AGES_SLOTS), device=self.cell.device)
        self._carried = torch.zeros(shape, device=self.cell.device)
        self._weights = self._weights.to(self.cell.device)

    @abstractmethod
    def rate(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Expected rate of UE `ue` [N] with today's CSI at `AGES_SLOTS` from now, bits per RE [N, ages]."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[np.ndarray, Any]:
        """Indices into `REPORT_PERIODS_SLOTS` for the UEs that have just reported."""
        with torch.inference_mode():
            return self._choose().cpu().numpy(), state

    def _choose(self) -> torch.Tensor:
        cell, known = self.cell, self.cell.known
        rows = torch.arange(cell.num_envs, device=cell.device)
        fresh = (known.now_slots == 0).nonzero()[:, 0]
        self._carried[fresh] = 0.0
        for ue in range(cell.config.num_ue):
            if len(fresh):
                self._rate[fresh, ue] = self.rate(cell, fresh, torch.full_like(fresh, ue))
        self._rate[rows, known.reporter] = self.rate(cell, rows, known.reporter)
        ideal = torch.tensor(IDEAL_PERIODS_SLOTS, dtype=torch.float32, device=cell.device)
        loss = self._rate[..., :1] - self._rate @ self._weights.T  # [B, U, periods]
        size = loss[..., -1:].clamp_min(_LEAST_LOSS)
        loss = loss * (size.mean(1, keepdim=True) / size) ** (1 - self.trust)
        floor = self._rate[..., 0].sum(-1) * self._report_slots()
        price = floor[:, None] * torch.logspace(0, 4, _PRICES, device=cell.device)
        choice = (loss[..., None] + price[:, None, None] / ideal[:, None]).argmin(2)  # [B, U, prices]
        load = (1 / ideal)[choice].sum(1) * cell.config.uplink_period_slots
        index = (load > self.utilisation).sum(-1).clamp_max(_PRICES - 1)  # load falls as the price rises
        wanted = ideal[choice[rows, known.reporter, index]].log() + self._carried[rows, known.reporter]
        allowed = torch.tensor(REPORT_PERIODS_SLOTS, device=cell.device).log()
        action = (wanted[:, None] - allowed).abs().argmin(-1)
        self._carried[rows, known.reporter] = (wanted - allowed[action]).clamp(-0.7, 0.7)
        return action

    def _report_slots(self) -> float:
        """What a report costs, in slots of the cell's data."""
        cell = self.cell
        pilots = csi_rs_resource_elements(cell.grid.antennas, 1.0, cell.grid.blocks)
        bits = torch.tensor(cell.config.codeword_bits)
        feedback = int(feedback_resource_elements(bits, torch.tensor(2.0))) * cell.config.uplink_price
        slot = int(data_resource_elements(torch.tensor(1), cell.carrier_blocks))
        return (pilots + feedback) / slot
