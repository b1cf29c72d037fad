"""Wiener prediction by bins: each angle-delay bin is a stationary process of which the speed alone is known.

A report's phase has no meaning, so each is first turned to the phase that is likeliest after those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.state import tensor
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.prediction.ageing import FIRST_DOUBT, Ageing, AgeingState, expected_loss
from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.process import Process
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.spectrum import Clarke

_TINY = 1e-30


@dataclass(kw_only=True)
class WienerState(AgeingState):
    """What is kept of U UEs in each of B cells: K reports, the last first, of F x A angle-delay bins.

    Attributes:
        bins: of the reports, in the phase that they have against each other, complex64 [B, K, F, U, A].
        solved: K^-1 x of each bin, complex64 [B, K, F, U, A].
        report_nmse: error expected of each report, over its power, float32 [B, K, U].
        std_hz: the Doppler spectrum's, float32 [B, U].
    """

    bins: torch.Tensor = tensor("env", "report", "subband", "ue", "beam", dtype=torch.complex64)
    solved: torch.Tensor = tensor("env", "report", "subband", "ue", "beam", dtype=torch.complex64)
    report_nmse: torch.Tensor = tensor("env", "report", "ue")
    std_hz: torch.Tensor = tensor("env", "ue")


class Wiener(Ageing):
    """Predicts by the last reports and the speed.

    Args:
        setting: where it works.
        reports: how many reports of a UE count.
    """

    def __init__(self, setting: Setting, *, reports: int) -> None:
        super().__init__(setting, FIRST_DOUBT)
        self._bins, self._reports = Bins(setting.grid, setting.subband_hz), reports

    def create(self, num_envs: int, num_ue: int) -> WienerState:
        """See `Predictor.create`."""
        sizes = {"report": self._reports, "subband": self._bins.subbands, "beam": self._setting.grid.antennas}
        return WienerState.create(num_envs, self._setting.device, ue=num_ue, **sizes)

    def learn(self, state: WienerState, rows: torch.Tensor, ue: torch.Tensor, report: Report) -> None:
        """See `Predictor.learn`."""
        mine, each = (rows, slice(None), slice(None), ue), (rows, slice(None), ue)
        x, before, slots, nmse = self._bins.of(report.h), state.bins[mine], state.slots[each], state.report_nmse[each]
        spectrum = Clarke.of(report.sensed, self._setting.wavelength_m)
        process = Process(before.flatten(2), self._seconds(slots, report.measured_slots), spectrum, nmse)
        expected = process.at(torch.zeros_like(nmse[:, :1]))[0][:, 0].view(x.shape)
        self._note(state, rows, ue, report, report.h, self._bins.channels(expected[:, :, None])[:, :, 0])
        x = x * process.in_phase(x.flatten(1))[..., None]

        bins = torch.cat([x[:, None], before[:, :-1]], 1)
        slots = torch.cat([report.measured_slots[:, None], slots[:, :-1]], 1)
        nmse = torch.cat([report.nmse[:, None], nmse[:, :-1]], 1)
        process = Process(bins.flatten(2), self._seconds(slots, report.measured_slots), spectrum, nmse)
        state.bins[mine], state.slots[each], state.report_nmse[each] = bins, slots, nmse
        state.solved[mine] = process.solved.view(bins.shape)
        state.std_hz[rows, ue] = spectrum.std_hz[:, 0]
        state.power[rows, ue] = squared_magnitude(x).mean((1, 2))
        value, error = (each.unflatten(-1, x.shape[1:]) for each in process.at(self._ages_s(len(rows))))
        state.nmse[rows, ue] = expected_loss(self._bins.by_subband(value), error.mean(-2, keepdim=True))

    def predict(self, state: WienerState, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        """See `Predictor.predict`."""
        measured, spectrum = state.slots[rows], Clarke(state.std_hz[rows])
        x = torch.zeros_like(reported.h)
        for index in range(self._reports):
            lag_s = ((slots[:, None] - measured[:, index]) * self._setting.slot_s).float()
            x += spectrum.correlation(lag_s)[:, None, :, None] * state.solved[rows, index]
        total = squared_magnitude(x).mean((1, 3))
        x *= (state.power[rows] / total.clamp_min(_TINY)).sqrt()[:, None, :, None]
        return Predicted(self._bins.channels(x), self._told(state, rows, slots).maximum(reported.error))


def from_setting(setting: Setting) -> Wiener:
    """The predictor `wiener`: two reports, and of the Doppler shift nothing but the speed."""
    return Wiener(setting, reports=2)
