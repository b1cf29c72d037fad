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
_PRICES = 48


def _integral_weights() -> torch.Tensor:
    """W [periods, ages]: W @ f is the mean of f, linear between the ages, from age 0 to each period."""
    ages = np.array(AGES_SLOTS, dtype=float)
    fine = np.arange(0, AGES_SLOTS[-1]) + 0.5
    hats = np.stack([np.interp(fine, ages, row) for row in np.eye(len(ages))], -1)
    return torch.tensor(np.stack([hats[:period].mean(0) for period in REPORT_PERIODS_SLOTS]), dtype=torch.float32)


def rate_by_age(similarity: torch.Tensor, snr: torch.Tensor, num_ue: int, antennas: int) -> torch.Tensor:
    """Bits per resource element that a UE gets with CSI of a given squared cosine similarity, float32 [N, ages].

    With zero forcing for K UEs on A antennas a UE keeps (A - K + 1) / K of its channel's energy as signal; the part of
    the channel that the CSI does not show, 1 - similarity, catches the other UEs' beams without protection.

    Args:
        similarity: [N, ages].
        snr: of one antenna with the whole power [N].
        num_ue, antennas: K and A.
    """
    snr = snr[:, None]
    signal = snr * (antennas - num_ue + 1) / num_ue
    leakage = snr * (num_ue - 1) / num_ue
    sinr = signal * similarity / (1 + leakage * (1 - similarity))
    return torch.log2(1 + sinr).clamp_max(MOST_BITS_PER_RE)


class Planner(ABC):
    """Chooses periods so that the cell loses the least to ageing, given what the uplink carries.

    For each UE the mean loss of rate over a period and the share of a report in it are known functions of the period.
    A common price per report makes them comparable: each UE takes the period that costs it least, and the price is the
    lowest at which all periods together ask for no more reports than the uplink carries (a Lagrange multiplier). It
    cannot fall below what a report's pilots and feedback cost.

    A subclass says how similar a UE's channel will be to the CSI that the cell has.

    Args:
        utilisation: share of the uplink that may be asked for; a queue grows without bound at 1.
    """

    def __init__(self, utilisation: float = 1.0) -> None:
        self.utilisation = utilisation
        self._weights = _integral_weights()

    def attach(self, envs: CellVectorEnv) -> None:
        """Plan for these environments from now on."""
        self.cell = envs.cell
        shape = (self.cell.num_envs, self.cell.config.num_ue, len(AGES_SLOTS))
        self._rate = torch.zeros(shape, device=self.cell.device)
        self._weights = self._weights.to(self.cell.device)

    @abstractmethod
    def similarity(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Expected squared cosine similarity of the CSI of UE `ue` [N] at `AGES_SLOTS` from now, [N, ages]."""

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
        for ue in range(cell.config.num_ue):
            if len(fresh):
                self._look(fresh, torch.full_like(fresh, ue))
        self._look(rows, known.reporter)
        loss = self._rate[..., :1] - self._rate @ self._weights.T  # [B, U, periods], mean over the period
        frequency = 1.0 / torch.tensor(REPORT_PERIODS_SLOTS, device=cell.device)
        floor = self._rate[..., 0].sum(-1) * self._report_slots()
        price = floor[:, None] * torch.logspace(0, 5, _PRICES, device=cell.device)
        choice = (loss[..., None] + price[:, None, None] * frequency[:, None]).argmin(2)  # [B, U, prices]
        load = frequency[choice].sum(1) * cell.config.uplink_period_slots
        affordable = (load <= self.utilisation).float().argmax(-1)
        affordable = torch.where((load <= self.utilisation).any(-1), affordable, _PRICES - 1)
        return choice[rows, known.reporter, affordable]

    def _look(self, rows: torch.Tensor, ue: torch.Tensor) -> None:
        cell = self.cell
        similarity = self.similarity(cell, rows, ue)
        h_hat = cell.known.h_hat[rows[:, None], torch.arange(cell.known.h_hat.shape[1], device=cell.device), ue[:, None]]
        snr = h_hat.abs().square().mean((1, 2)) / cell.noise
        self._rate[rows, ue] = rate_by_age(similarity, snr, cell.config.num_ue, cell.grid.antennas)

    def _report_slots(self) -> float:
        """What a report costs, in slots of the cell's data."""
        cell = self.cell
        pilots = csi_rs_resource_elements(cell.grid.antennas, 1.0, cell.grid.blocks)
        bits = torch.tensor(cell.config.codeword_bits)
        feedback = int(feedback_resource_elements(bits, torch.tensor(2.0))) * cell.config.uplink_price
        slot = int(data_resource_elements(torch.tensor(1), cell.carrier_blocks))
        return (pilots + feedback) / slot
