"""Prediction by paths: those that a report has go on with the Doppler shifts that are expected of them.

A report is taken apart into its strongest paths (`path_pursuit`). What the reports before had of each of these
is fitted, and each path is a stationary process (`process`) with a Doppler spectrum of its own. What that is, those say
that derive from `FollowedPaths`.

A report's phase has no meaning, so each is first turned to the phase that is likeliest after those before it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from twin_envs.base.state import tensor
from twin_envs.base.units import phasor, squared_magnitude
from twin_envs.csi.path_pursuit import BlockDictionary
from twin_envs.csi.prediction.ageing import FIRST_DOUBT, Ageing, AgeingState, expected_loss
from twin_envs.csi.prediction.process import Process
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.spectrum import CLARKE_STD, Lines, sensed_speed
from twin_envs.csi.transforms import angle_transform

PATHS = 16
"""Paths of a report."""
REPORTS = 4
"""Reports of a UE that count."""
_LEAST_NMSE = 0.01
"""Of a report taken apart into paths."""
_LEFT_SHARE = 0.3
"""What is left of a report beside its paths stays that much what it was, however long ago it was."""
_TINY = 1e-30


@dataclass(kw_only=True)
class PathState(AgeingState):
    """What is kept of U UEs in each of B cells: K reports, the last first, and the M paths of the last.

    Attributes:
        reports: in the phase that they have against each other, complex64 [B, K, F, U, antennas].
        report_nmse: error expected of each report, over its power, float32 [B, K, U].
        index: of the paths, int64 [B, U, M].
        solved: K^-1 x of each path, complex64 [B, K, U, M].
        share, mean_hz, std_hz: their Doppler spectra, see `Lines`, float32 [B, U, M, L].
        left: what the last report has beside its paths, complex64 [B, F, U, antennas].
        left_mean_hz, left_std_hz: the Doppler spectrum of that, float32 [B, U].
    """

    reports: torch.Tensor = tensor("env", "report", "subband", "ue", "antenna", dtype=torch.complex64)
    report_nmse: torch.Tensor = tensor("env", "report", "ue")
    index: torch.Tensor = tensor("env", "ue", "path", dtype=torch.int64)
    solved: torch.Tensor = tensor("env", "report", "ue", "path", dtype=torch.complex64)
    share: torch.Tensor = tensor("env", "ue", "path", "line")
    mean_hz: torch.Tensor = tensor("env", "ue", "path", "line")
    std_hz: torch.Tensor = tensor("env", "ue", "path", "line")
    left: torch.Tensor = tensor("env", "subband", "ue", "antenna", dtype=torch.complex64)
    left_mean_hz: torch.Tensor = tensor("env", "ue")
    left_std_hz: torch.Tensor = tensor("env", "ue")


class Heard(NamedTuple):
    """What reports of N UEs have of their M paths, the last first.

    Attributes:
        x: complex64 [N, K, M], in the phases that reports have against each other.
        time_s: when they were measured [N, K]; -inf where they were not.
        nmse: error expected of each report, over its power, float32 [N, K].
        largest_hz: Doppler shift at the sensed speed, float32 [N].
    """

    x: torch.Tensor
    time_s: torch.Tensor
    nmse: torch.Tensor
    largest_hz: torch.Tensor


class Left(NamedTuple):
    """The Doppler spectrum of what is no path, of each of N UEs: mean and standard deviation [N]."""

    mean_hz: torch.Tensor
    std_hz: torch.Tensor

    def correlation(self, lag_s: torch.Tensor) -> torch.Tensor:
        """Of it with itself so much earlier; shapes broadcast."""
        pulsation = 2 * math.pi * lag_s
        damped = _LEFT_SHARE + (1 - _LEFT_SHARE) * torch.exp(-0.5 * (pulsation * self.std_hz).square())
        return damped * phasor(pulsation * self.mean_hz)


class FollowedPaths(Ageing):
    """A predictor that follows paths.

    Args:
        setting: where it works.
        lines: of the Doppler spectrum of a path, L.
        asks: capability of a channel twin that it needs.
        doubt: with which factor of the error that is computed an episode begins (see `Ageing`).
    """

    def __init__(self, setting: Setting, *, lines: int, asks: Any = None, doubt: float = FIRST_DOUBT) -> None:
        super().__init__(setting, doubt, asks=asks)
        self._lines, self._paths, self._reports, self._subbands = lines, PATHS, REPORTS, len(setting.subband_hz)
        self._dictionary = BlockDictionary(
            setting.grid, setting.device, setting.subband_hz / setting.grid.block_spacing_hz
        )
        self._angle = angle_transform(setting.grid, setting.device)

    @abstractmethod
    def _expected(self, report: Report, index: torch.Tensor, power: torch.Tensor) -> tuple[Lines, torch.Tensor]:
        """The spectra of paths `index` [N, M] of `power` [N, M] before any report, and the mean Doppler shift [N]."""

    def _borne_out(self, lines: Lines, heard: Heard) -> Lines:
        """The spectra after what reports have of the paths; as they were unless one says otherwise."""
        return lines

    def create(self, num_envs: int, num_ue: int) -> PathState:
        """See `Predictor.create`."""
        return PathState.create(
            num_envs,
            self._setting.device,
            ue=num_ue,
            report=self._reports,
            subband=self._subbands,
            antenna=self._setting.grid.antennas,
            path=self._paths,
            line=self._lines,
        )

    def learn(self, state: PathState, rows: torch.Tensor, ue: torch.Tensor, report: Report) -> None:
        """See `Predictor.learn`."""
        mine, each = (rows, slice(None), slice(None), ue), (rows, slice(None), ue)
        slots = state.slots[each]
        lag_slots = report.measured_slots[:, None] - slots
        self._note(state, rows, ue, report, report.h, self._channels(state, rows, ue, lag_slots))

        index, gains = self._dictionary.pursue(report.h, self._paths)
        gain, before = gains[:, -1], state.reports[mine][:, :-1]
        lines, whole_hz = self._expected(report, index, squared_magnitude(gain))
        nmse = torch.cat([report.nmse[:, None], state.report_nmse[each][:, :-1]], 1).clamp_min(_LEAST_NMSE)
        x = torch.cat([gain[:, None], self._dictionary.fit(before, index)], 1)
        slots = torch.cat([report.measured_slots[:, None], slots[:, :-1]], 1)
        time_s = self._seconds(slots, report.measured_slots)
        largest_hz = sensed_speed(report.sensed) / self._setting.wavelength_m
        earlier = self._borne_out(lines, Heard(x[:, 1:], time_s[:, 1:], nmse[:, 1:], largest_hz))
        turn = Process(x[:, 1:], time_s[:, 1:], earlier, nmse[:, 1:]).in_phase(gain)
        x[:, 0] *= turn
        h = report.h * turn[..., None]
        lines = self._borne_out(lines, Heard(x, time_s, nmse, largest_hz))
        process = Process(x, time_s, lines, nmse)
        left = h - self._dictionary.channels(index, x[:, 0])
        spectrum = Left(whole_hz, CLARKE_STD * sensed_speed(report.sensed) / self._setting.wavelength_m)

        state.slots[each], state.report_nmse[each], state.index[rows, ue] = slots, nmse, index
        state.reports[mine], state.solved[each] = torch.cat([h[:, None], before], 1), process.solved
        state.share[rows, ue], state.mean_hz[rows, ue], state.std_hz[rows, ue] = lines
        state.left[rows, :, ue] = left
        state.left_mean_hz[rows, ue], state.left_std_hz[rows, ue] = spectrum
        state.power[rows, ue] = squared_magnitude(h).mean((1, 2))
        state.nmse[rows, ue] = self._losses(process, index, left @ self._angle, spectrum)

    def _losses(self, process: Process, index: torch.Tensor, left: torch.Tensor, spectrum: Left) -> torch.Tensor:
        """What is lost at each of `AGES_SLOTS`, float32 [N, ages], where `left` [N, F, beams] is no path."""
        ages_s = self._ages_s(len(index))
        value, error = process.at(ages_s)
        goes_on = Left(*(each[:, None] for each in spectrum)).correlation(ages_s)
        delay, beam = self._dictionary.waves(index)
        beam = beam @ self._angle
        beams = torch.einsum("ntm,nmf,nma->ntfa", value, delay, beam) + goes_on[..., None, None] * left[:, None]
        of_paths = error @ squared_magnitude(beam) / self._subbands
        of_rest = (1 - squared_magnitude(goes_on))[..., None] * squared_magnitude(left).mean(1, keepdim=True)
        return expected_loss(beams, (of_paths + of_rest)[:, :, None])

    def _channels(
        self, state: PathState, rows: torch.Tensor, ue: torch.Tensor, lag_slots: torch.Tensor
    ) -> torch.Tensor:
        """Channels of UE `ue` [N] in environments `rows` [N], so long [N, K] after each report, [N, F, antennas]."""
        mine = (rows, ue)
        lines = Lines(state.share[mine], state.mean_hz[mine], state.std_hz[mine])
        solved, lag_s = state.solved[rows, :, ue], (lag_slots * self._setting.slot_s).float()
        lag_s = torch.where(solved.abs().sum(-1) > 0, lag_s, 0.0)
        x = torch.stack([lines.correlation(lag_s[:, k, None]) * solved[:, k] for k in range(self._reports)]).sum(0)
        goes_on = Left(state.left_mean_hz[mine], state.left_std_hz[mine]).correlation(lag_s[:, 0])
        return self._dictionary.channels(state.index[mine], x) + goes_on[:, None, None] * state.left[rows, :, ue]

    def predict(self, state: PathState, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        """See `Predictor.predict`."""
        num_ue = state.power.shape[1]
        cell, ue = rows.repeat_interleave(num_ue), torch.arange(num_ue, device=rows.device).repeat(len(rows))
        lag_slots = slots.repeat_interleave(num_ue)[:, None] - state.slots[cell, :, ue]
        h = self._channels(state, cell, ue, lag_slots)
        total = squared_magnitude(h).mean((1, 2))
        h *= (state.power[cell, ue] / total.clamp_min(_TINY)).sqrt()[:, None, None]
        h = h.unflatten(0, (len(rows), num_ue)).transpose(1, 2)
        return Predicted(h, self._told(state, rows, slots).maximum(reported.error))
