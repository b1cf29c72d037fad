"""What a report is worth: the rate of a UE as its CSI ages, by how well it reports and is sent data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from twin_envs.agents.core.goodput import GoodputTable
from twin_envs.base.settings import lasting
from twin_envs.base.units import SYMBOLS_PER_SLOT, linear_to_db
from twin_envs.csi.link import Link
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS, equalised_sinr
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS

AGES_SLOTS = (0, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
"""Ages at which a planner looks at the channel by default."""
IDEAL_PERIODS_SLOTS = np.geomspace(REPORT_PERIODS_SLOTS[0], 4 * REPORT_PERIODS_SLOTS[-1], 59)
"""Periods among which a plan is made before it is rounded to those that NR has. Some are longer than NR's, for UEs
that the uplink has no room for."""
_TINY = 1e-30
_LEAST_WEIGHT = 0.2
"""Least weight of what is foreseen at a report in the mean over reports."""


@lru_cache(maxsize=16)
@lasting()
def _mean_weights(ages_slots: tuple[int, ...], delay_slots: int) -> torch.Tensor:
    """W [periods, ages]: W @ f is the mean of f, linear between the ages, over each period from age `delay_slots` on.

    After the last age f stays as it is.
    """
    fine = delay_slots + np.arange(round(IDEAL_PERIODS_SLOTS[-1])) + 0.5
    hats = np.stack([np.interp(fine, ages_slots, row) for row in np.eye(len(ages_slots))], -1)
    means = np.cumsum(hats, 0) / np.arange(1, len(fine) + 1)[:, None]
    return torch.tensor(means[np.round(IDEAL_PERIODS_SLOTS).astype(int) - 1], dtype=torch.float32)


def goodput_table(link: Link, device: torch.device) -> GoodputTable:
    """What a link delivers at the SINRs that UEs of a cell meet."""
    return GoodputTable(link, device, low_db=-30.0, high_db=40.0)


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a planner expects of one UE in each of N environments, at K places where it may be; A ages, F subbands.

    Attributes:
        signal, disturbance: power of its own beam, and of the others' beams and noise, at the planner's ages
            [N, K, A, F].
        weight: of each place, float32 [N, K].
        stray: power that an error of the CSI as strong as the channel, but white, would catch of the others' beams [N].
        own: its effective channel at age 0 and the derivatives by time, complex64 [N, K, F, 3]; see `dmrs`.
        error: share of the channel's power that a report gets wrong, by CSI-RS and codeword [N, R, L].
        noise: power of the noise, the least that can disturb.
        present: such an error that `signal` and `disturbance` contain already [N].
    """

    signal: torch.Tensor
    disturbance: torch.Tensor
    weight: torch.Tensor
    stray: torch.Tensor
    own: torch.Tensor
    error: torch.Tensor
    present: torch.Tensor
    noise: float


class RecentMean:
    """Mean of what was foreseen of each UE at its last reports: at first of all of them, later the last count most.

    Args:
        num_envs, num_ue: B environments with U UEs each.
        shape: of what is foreseen of a UE.
        device: where the means lie.
    """

    def __init__(self, num_envs: int, num_ue: int, shape: tuple[int, ...], device: torch.device) -> None:
        self.value = torch.zeros(num_envs, num_ue, *shape, device=device)
        self._reports = torch.zeros(num_envs, num_ue, device=device)

    def forget(self, rows: torch.Tensor) -> None:
        """New episodes begin in the environments `rows` [N]."""
        self._reports[rows] = 0.0

    def learn(self, rows: torch.Tensor, ue: torch.Tensor, foreseen: torch.Tensor) -> torch.Tensor:
        """Take in what is `foreseen` [N, ...] at a report of UE `ue` [N]; its mean now [N, ...]."""
        self._reports[rows, ue] += 1
        weight = (1 / self._reports[rows, ue]).clamp_min(_LEAST_WEIGHT)
        weight = weight.reshape(-1, *[1] * (foreseen.dim() - 1))
        self.value[rows, ue] = torch.lerp(self.value[rows, ue], foreseen, weight)
        return self.value[rows, ue]


def mean_over_periods(by_age: torch.Tensor, ages_slots: tuple[int, ...], delay_slots: int = 0) -> torch.Tensor:
    """Means over each of `IDEAL_PERIODS_SLOTS` [N, periods, modes] of what holds at `ages_slots` [N, ages, modes].

    A period begins when a report arrives, `delay_slots` after it was measured.
    """
    return torch.tensordot(by_age, _mean_weights(ages_slots, delay_slots).to(by_age.device), ([1], [1])).movedim(-1, 1)


def expected_sinr(outlook: Outlook, error: torch.Tensor) -> torch.Tensor:
    """SINR after a report with the given `error` [N], linear, at the outlook's places, ages and subbands [N, K, A, F].

    An error takes its share of the signal, and catches that share of `stray`.
    """
    error = error.clamp(0.0, 0.999)
    signal = outlook.signal * ((1 - error) / (1 - outlook.present.clamp_max(0.999)))[:, None, None, None]
    more = ((error - outlook.present) * outlook.stray)[:, None, None, None]
    return signal / (outlook.disturbance + more).clamp_min(outlook.noise)


def goodput(
    outlook: Outlook,
    modes: Sequence[Mode],
    table: GoodputTable,
    symbol_s: float,
    correction: torch.Tensor | None = None,
) -> torch.Tensor:
    """Bits per symbol and subcarrier, control symbols left out, that a UE gets by age of its CSI and mode.

    Its channel moves on and the precoder stays, so the SINR falls. Link adaptation knows what to
    expect of CSI of each age: at every age the UE gets what the best MCS delivers then.

    Args:
        outlook: what is expected of each UE.
        modes: how the UE may report and be sent data.
        table: of the link.
        symbol_s: duration of a symbol.
        correction: factor of the SINR by age [N, A], see `measured.correction`.

    Returns:
        float32 [N, ages, modes].
    """
    device, symbols = outlook.signal.device, SYMBOLS_PER_SLOT - CONTROL_SYMBOLS
    own = outlook.own[:, :, None]  # one for all ages
    parts = []
    for mode in modes:
        sinr = expected_sinr(outlook, outlook.error[:, mode.csi_rs, mode.codeword])
        if correction is not None:
            sinr = sinr * correction[:, None, :, None]
        sinr = equalised_sinr(sinr, own, torch.tensor(mode.additional, device=device), symbol_s)
        share = (symbols - 1 - mode.additional) / symbols
        parts.append((table(linear_to_db(sinr)).mean(-1) * outlook.weight[..., None]).sum(1) * share)
    total = outlook.weight.sum(1).clamp_min(_TINY)
    return torch.stack(parts, -1) / total[:, None, None]
