"""Planning report periods from how the CSI of each UE will age."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch

from twin_envs.csi.link import Link
from twin_envs.csi.overhead import csi_rs_resource_elements, data_resource_elements, feedback_resource_elements
from twin_envs.envs.cell import Cell
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.vector import TaskVectorEnv

AGES_SLOTS = (0, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
"""Ages at which a planner looks at the channel."""
IDEAL_PERIODS_SLOTS = np.geomspace(REPORT_PERIODS_SLOTS[0], REPORT_PERIODS_SLOTS[-1], 45)
"""Periods among which a plan is made before it is rounded to those that NR has."""
_PRICES = 64
_WAIT_MEMORY = 0.2
_MOST_CARRIED = 0.7
_LEAST_LOSS = 0.02
"""Losses below so many bits per resource element are not told apart."""


def _mean_weights() -> torch.Tensor:
    """W [periods, ages]: W @ f is the mean of f, linear between the ages, from age 0 to each period."""
    fine = np.arange(AGES_SLOTS[-1]) + 0.5
    hats = np.stack([np.interp(fine, AGES_SLOTS, row) for row in np.eye(len(AGES_SLOTS))], -1)
    means = np.cumsum(hats, 0) / np.arange(1, len(fine) + 1)[:, None]
    return torch.tensor(means[np.round(IDEAL_PERIODS_SLOTS).astype(int) - 1], dtype=torch.float32)


_MEAN_WEIGHTS = _mean_weights()


def goodput_by_period(
    link: Link, h: torch.Tensor, w: torch.Tensor, noise: torch.Tensor, ue: torch.Tensor
) -> torch.Tensor:
    """Bits per resource element that UE `ue` [N] gets if it reports with each of `IDEAL_PERIODS_SLOTS`.

    Its channel moves on and the precoder stays, so the SINR falls until the next report. Link adaptation knows what to
    expect of CSI of each age: at every age the UE gets what the best MCS delivers then.

    Args:
        link: of the cell.
        h: the UE's channel at `AGES_SLOTS`, complex64 [N, ages, F, A].
        w: the precoder, complex64 [N, F, A, U].
        noise: at this UE, in units of the transmit power [N].
        ue: which column of `w` is its own.

    Returns:
        float32 [N, periods].
    """
    power = torch.einsum("nafc,nfcu->nafu", h, w).abs().square()
    own = power.gather(-1, ue[:, None, None, None].expand(*power.shape[:3], 1))[..., 0]
    sinr = own / (power.sum(-1) - own + noise[:, None, None])
    return link.goodput(sinr).amax(-1) @ _MEAN_WEIGHTS.to(h.device).mT


class Planner(ABC):
    """Chooses periods so that the cell loses the least to ageing, given what the uplink carries.

    For each UE the mean loss of rate over a period and the share of a report in it are known functions of the
    period. A common price per report makes them comparable: each UE takes the period that costs it least, and the
    price is the one at which all periods together ask for as many reports as planned (a Lagrange multiplier; between
    the two prices around it, reports per slot are interpolated). It cannot fall below what a report's pilots and
    feedback cost. A report that finds the uplink busy waits, so the wait of late is taken off the period that is asked
    for. What rounding to the periods of NR takes from a UE it gets back the next time.

    A subclass says what rate a UE will get.

    Args:
        utilisation: reports that the plan asks for, over those that the uplink carries. Somewhat above 1 the uplink is
            never idle.
        trust: how far the differences between the UEs' losses are believed, from 0 (all alike) to 1; the logarithm of
            each loss is drawn towards the cell's mean by the rest.
    """

    def __init__(self, utilisation: float = 1.3, trust: float = 1.0) -> None:
        self.utilisation, self.trust = utilisation, trust

    def attach(self, envs: TaskVectorEnv) -> None:
        """Plan for these environments from now on."""
        self.cell, device = envs.core, envs.core.device
        shape = (self.cell.num_envs, self.cell.config.num_ue)
        self._goodput = torch.zeros(*shape, len(IDEAL_PERIODS_SLOTS), device=device)
        self._carried, self._asked_slots = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self._wait_slots = torch.zeros(self.cell.num_envs, device=device)
        self._ideal_slots = torch.tensor(IDEAL_PERIODS_SLOTS, dtype=torch.float32, device=device)
        self._allowed_slots = torch.tensor(REPORT_PERIODS_SLOTS, dtype=torch.float32, device=device)

    @abstractmethod
    def goodput(self, cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Bits per RE expected of UE `ue` [N] with each of `IDEAL_PERIODS_SLOTS`, [N, periods]."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[np.ndarray, Any]:
        """Indices into `REPORT_PERIODS_SLOTS` for the UEs that have just reported."""
        with torch.inference_mode():
            return self._choose().cpu().numpy(), state

    def _choose(self) -> torch.Tensor:
        known, rows = self.cell.known, torch.arange(self.cell.num_envs, device=self.cell.device)
        fresh = (known.now_slots == 0).nonzero()[:, 0]
        self._carried[fresh] = self._asked_slots[fresh] = self._wait_slots[fresh] = 0.0
        for ue in range(self.cell.config.num_ue):
            if len(fresh):
                self._goodput[fresh, ue] = self.goodput(self.cell, fresh, torch.full_like(fresh, ue))
        mine = (rows, known.reporter)
        self._goodput[mine] = self.goodput(self.cell, *mine)
        waited = torch.where(self._asked_slots[mine] > 0, known.gap_slots[mine] - self._asked_slots[mine], 0.0)
        self._wait_slots += _WAIT_MEMORY * (waited - self._wait_slots)
        wanted = self._plan()[mine].log() + self._carried[mine]
        offered = (self._allowed_slots + self._wait_slots.clamp_min(0.0)[:, None]).log()
        action = (wanted[:, None] - offered).abs().argmin(-1)
        self._carried[mine] = (wanted - offered[rows, action]).clamp(-_MOST_CARRIED, _MOST_CARRIED)
        self._asked_slots[mine] = self._allowed_slots[action]
        return action

    def _plan(self) -> torch.Tensor:
        """The period that each UE should have now [slots], float32 [B, U]."""
        loss = self._goodput[..., :1] - self._goodput  # [B, U, periods]
        size = loss[..., -1:].clamp_min(_LEAST_LOSS)
        loss = loss * (size.mean(1, keepdim=True) / size) ** (1 - self.trust)
        floor = self._goodput[..., 0].sum(-1) * self._report_slots()
        price = floor[:, None] * torch.logspace(0, 4, _PRICES, device=floor.device)
        choice = (loss[..., None] + price[:, None, None] / self._ideal_slots[:, None]).argmin(2)  # [B, U, prices]
        reports_per_slot = 1.0 / self._ideal_slots[choice]
        load = reports_per_slot.sum(1) * self.cell.config.uplink_period_slots  # [B, prices], falls as the price rises
        dearer = (load > self.utilisation).sum(-1).clamp_max(_PRICES - 1)[:, None]
        cheaper = (dearer - 1).clamp_min(0)
        low, high = load.gather(1, dearer), load.gather(1, cheaper)
        share = ((self.utilisation - low) / (high - low)).nan_to_num(0.0, 0.0, 0.0).clamp(0.0, 1.0)
        few, many = (
            reports_per_slot.gather(2, price_index[:, None].expand(-1, choice.shape[1], 1))[..., 0]
            for price_index in (dearer, cheaper)
        )
        return 1.0 / (few + share * (many - few))

    def _report_slots(self) -> float:
        """What a report costs, in slots of the cell's data."""
        cell = self.cell
        pilots = csi_rs_resource_elements(cell.grid.antennas, 1.0, cell.grid.blocks)
        bits = torch.tensor(cell.config.codeword_bits)
        feedback = int(feedback_resource_elements(bits, torch.tensor(2.0))) * cell.config.uplink_price
        slot = int(data_resource_elements(torch.tensor(1), cell.carrier_blocks))
        return (pilots + feedback) / slot
