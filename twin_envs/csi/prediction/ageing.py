"""How wrong predictions are expected to be, by their age, and how wrong they turn out to be.

What a report that arrives shows is compared with what was expected of it: the error that is told is the one that a
filter computes times a factor that each UE's last reports bear out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.state import TensorState, tensor
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.prediction.process import LEAST_NOISE
from twin_envs.csi.prediction.protocol import Report, Setting
from twin_envs.csi.similarity import squared_cosine

AGES_SLOTS = (0, 5, 10, 20, 40, 80, 160, 320)
"""Ages for which the error is computed when a report arrives; between them it is interpolated."""
NEVER = -(1 << 30)
FIRST_DOUBT = 0.4
"""Of a predictor that knows the speed alone: bins are taken to move independently, and they do not."""
_PATIENCE = 0.3
"""By what power of it a report that shows the error wrong by a factor corrects the error."""
_DOUBT_RANGE = (0.05, 20.0)
_TINY = 1e-30


@dataclass(kw_only=True)
class AgeingState(TensorState):
    """What is kept of U UEs in each of B cells, of which K reports count, the last first.

    Attributes:
        slots: when they were measured, int64 [B, K, U].
        power: of the last report, mean over subbands and antennas, float32 [B, U].
        nmse: expected at `AGES_SLOTS`, over the power, float32 [B, U, ages].
        doubt: the factor by which errors turn out to be larger, float32 [B, U]; 0 before the first report.
    """

    slots: torch.Tensor = tensor("env", "report", "ue", dtype=torch.int64, initial=NEVER)
    power: torch.Tensor = tensor("env", "ue")
    nmse: torch.Tensor = tensor("env", "ue", len(AGES_SLOTS))
    doubt: torch.Tensor = tensor("env", "ue")


class Ageing(Constant):
    """The part of a predictor that knows errors.

    Args:
        setting: where it works.
        doubt: with which factor an episode begins: a cell does not begin to learn when an episode does.
    """

    predicts = True

    def __init__(self, setting: Setting, doubt: float, asks: Any = None) -> None:
        self._setting, self._first_doubt, self.asks = setting, doubt, asks
        self._ages_slots = torch.tensor(AGES_SLOTS, device=setting.device)

    def _ages_s(self, count: int) -> torch.Tensor:
        """`AGES_SLOTS` as times [count, ages]."""
        return (self._ages_slots * self._setting.slot_s).expand(count, -1)

    def _seconds(self, slots: torch.Tensor, since: torch.Tensor) -> torch.Tensor:
        """Times [N, K] of reports at `slots` [N, K] from `since` [N] on; of those never made, -inf."""
        time_s = (slots - since[:, None]) * self._setting.slot_s
        return torch.where(slots == NEVER, -torch.inf, time_s)

    def _note(
        self,
        state: AgeingState,
        rows: torch.Tensor,
        ue: torch.Tensor,
        report: Report,
        found: torch.Tensor,
        expected: torch.Tensor,
    ) -> None:
        """Compare how far off a report is with how far it was expected to be, the codec's own error included.

        Args:
            state, rows, ue: of whom.
            report: what has arrived.
            found: its channels, or beams, complex64 [N, F, antennas].
            expected: what had been predicted of them, alike, in any phase.
        """
        age_slots = report.measured_slots - state.slots[rows, 0, ue]
        told = self._interpolated(state.nmse[rows, ue], age_slots.float())
        loss = 1 - squared_cosine(expected, found).mean(-1)
        doubt = torch.where(state.doubt[rows, ue] > 0, state.doubt[rows, ue], self._first_doubt)
        wrong = (loss + LEAST_NOISE) / (doubt * told + report.nmse + LEAST_NOISE)
        known = (state.slots[rows, 0, ue] != NEVER) & (age_slots > 0)
        state.doubt[rows, ue] = torch.where(known, (doubt * wrong.pow(_PATIENCE)).clamp(*_DOUBT_RANGE), doubt)

    def _interpolated(self, nmse: torch.Tensor, age_slots: torch.Tensor) -> torch.Tensor:
        """Interpolation of `nmse` [..., ages] at `age_slots` [...], float32 [...]."""
        ages = self._ages_slots
        upper = torch.bucketize(age_slots, ages, right=True).clamp(1, len(AGES_SLOTS) - 1)
        share = ((age_slots - ages[upper - 1]) / (ages[upper] - ages[upper - 1])).clamp(0, 1)
        low, high = (nmse.gather(-1, index[..., None])[..., 0] for index in (upper - 1, upper))
        return torch.lerp(low, high, share)

    def _told(self, state: AgeingState, rows: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Power of the error that is expected of predictions for `slots` [N], float32 [N, U]."""
        age_slots = (slots[:, None] - state.slots[rows, 0]).float()
        nmse = (state.doubt[rows] * self._interpolated(state.nmse[rows], age_slots)).clamp_max(1.0)
        return nmse * state.power[rows]


def expected_loss(beams: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """One less the squared cosine that is expected between a channel and its prediction.

    Where a channel m + z is predicted as m, and z has uncorrelated elements of the powers e, the mean of |m^H h|^2 over
    |m|^2 times that of |h|^2 is (|m|^2 + sum e |m|^2 / |m|^2) / (|m|^2 + sum e). That does not depend on the phase of
    m, which has no meaning.

    Args:
        beams: m in each subband, complex64 [..., F, A].
        error: e, float32 [..., 1 or F, A].

    Returns:
        float32 [...], the mean over subbands, weighted by their power.
    """
    power = squared_magnitude(beams)
    known = power.sum(-1)
    met = known + (error * power).sum(-1) / known.clamp_min(_TINY)
    return 1 - met.sum(-1) / (known + error.sum(-1)).sum(-1).clamp_min(_TINY)
