"""The channel stays as it was reported, but less is thought of it the older it grows."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.state import tensor
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.prediction.ageing import FIRST_DOUBT, Ageing, AgeingState, expected_loss
from twin_envs.csi.prediction.process import LEAST_NOISE
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.spectrum import Clarke
from twin_envs.csi.transforms import angle_transform


@dataclass(kw_only=True)
class HoldAgedState(AgeingState):
    """What is kept of U UEs in each of B cells.

    Attributes:
        beams: of the last report, complex64 [B, 1, F, U, A].
    """

    beams: torch.Tensor = tensor("env", "report", "subband", "ue", "beam", dtype=torch.complex64)


class HoldAged(Ageing):
    """The predictor `hold-aged`: all beams decorrelate alike, as Clarke's spectrum at the sensed speed has it.

    Args:
        setting: where it works.
    """

    predicts = False

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, FIRST_DOUBT)
        self._angle, self._subbands = angle_transform(setting.grid, setting.device), len(setting.subband_hz)

    def create(self, num_envs: int, num_ue: int) -> HoldAgedState:
        """See `Predictor.create`."""
        sizes = {"report": 1, "subband": self._subbands, "beam": self._setting.grid.antennas}
        return HoldAgedState.create(num_envs, self._setting.device, ue=num_ue, **sizes)

    def learn(self, state: HoldAgedState, rows: torch.Tensor, ue: torch.Tensor, report: Report) -> None:
        """See `Predictor.learn`."""
        mine, beams = (rows, 0, slice(None), ue), report.h @ self._angle
        self._note(state, rows, ue, report, beams, state.beams[mine])
        state.beams[mine], state.slots[rows, 0, ue] = beams, report.measured_slots
        power = squared_magnitude(beams)
        state.power[rows, ue] = power.mean((1, 2))
        spectrum = Clarke.of(report.sensed, self._setting.wavelength_m)
        known = spectrum.correlation(self._ages_s(len(rows))).square() / (1 + LEAST_NOISE)  # [N, ages]
        fading = (1 - known)[..., None, None] * power.mean(1, keepdim=True)[:, None]
        state.nmse[rows, ue] = expected_loss(known.sqrt()[..., None, None] * beams[:, None], fading)

    def predict(self, state: HoldAgedState, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        """See `Predictor.predict`."""
        return Predicted(reported.h, self._told(state, rows, slots).maximum(reported.error))


def from_setting(setting: Setting) -> HoldAged:
    """The predictor, wherever it works."""
    return HoldAged(setting)
