"""Wiener prediction: each angle-delay bin is a stationary process, of which noisy samples have been reported.

With samples x_k = s(t_k) + n_k of a bin of the power P and the autocorrelation P r(lag), the linear estimate of s(t)
with the least error is r_t^H K^-1 x with K_kl = r(t_k - t_l) + (noise / P) delta_kl and (r_t)_k = r(t_k - t), and its
error is P (1 - r_t^H K^-1 r_t) (Kay, "Fundamentals of statistical signal processing: estimation theory", 1993, chapter
12). The times of reports may be any.

A report's phase has no meaning, so each is first turned to the phase that is likeliest after those before it.

How wrong predictions turn out to be is seen when the next report arrives: the error that is told is the one above times
a factor that each UE's last reports bear out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.state import TensorState, tensor
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.spectrum import ExpectsSpectrum, FromSpeed, Spectrum
from twin_envs.csi.similarity import squared_cosine

AGES_SLOTS = (0, 5, 10, 20, 40, 80, 160, 320)
"""Ages for which the error is computed when a report arrives; between them it is interpolated."""
FIRST_DOUBT = 0.4
"""Of a predictor that knows the speed alone: its bins are taken to move independently, and they do not."""
_NEVER = -(1 << 30)
_LEAST_NOISE = 1e-3
"""Of a bin's mean power: nothing is reported more exactly, nor does a bin go on more exactly."""
_LOST = 1e6
"""Noise over power of a report that was never made."""
_PATIENCE = 0.3
"""By what power of it a report that shows the error wrong by a factor corrects the error."""
_DOUBT_RANGE = (0.05, 20.0)
_TINY = 1e-30


@dataclass(kw_only=True)
class WienerState(TensorState):
    """What is kept of U UEs in each of B cells: K reports, the last first, of F x A angle-delay bins.

    Attributes:
        bins: of the reports, in the phase that they have against each other, complex64 [B, K, F, U, A].
        slots: when they were measured, int64 [B, K, U].
        solved: K^-1 x of each bin, complex64 [B, K, F, U, A].
        share, mean_hz, std_hz, rest_std_hz: the Doppler spectra, see `Spectrum`, float32 [B, F, U, A] and [B, U].
        power: of the last report, mean over bins, float32 [B, U].
        nmse: expected at `AGES_SLOTS`, over the power, float32 [B, U, ages].
        doubt: the factor by which errors turn out to be larger, float32 [B, U]; 0 before the first report.
    """

    bins: torch.Tensor = tensor("env", "report", "subband", "ue", "beam", dtype=torch.complex64)
    slots: torch.Tensor = tensor("env", "report", "ue", dtype=torch.int64, initial=_NEVER)
    solved: torch.Tensor = tensor("env", "report", "subband", "ue", "beam", dtype=torch.complex64)
    share: torch.Tensor = tensor("env", "subband", "ue", "beam")
    mean_hz: torch.Tensor = tensor("env", "subband", "ue", "beam")
    std_hz: torch.Tensor = tensor("env", "subband", "ue", "beam")
    rest_std_hz: torch.Tensor = tensor("env", "ue")
    power: torch.Tensor = tensor("env", "ue")
    nmse: torch.Tensor = tensor("env", "ue", len(AGES_SLOTS))
    doubt: torch.Tensor = tensor("env", "ue")


class Wiener(Constant):
    """Predicts by the last reports and a Doppler spectrum for each bin.

    Args:
        setting: where it works.
        bins: the bins.
        spectrum: says what spectra are expected.
        reports: how many reports of a UE count.
        doubt: with which factor an episode begins: a cell does not begin to learn when an episode does.
        asks: capability that the twin must have.
    """

    predicts = True

    def __init__(
        self,
        setting: Setting,
        bins: Bins,
        spectrum: ExpectsSpectrum,
        *,
        reports: int,
        doubt: float = 1.0,
        asks: Any = None,
    ) -> None:
        self._setting, self._bins, self._spectrum = setting, bins, spectrum
        self._reports, self._first_doubt, self.asks = reports, doubt, asks
        self._ages_slots = torch.tensor(AGES_SLOTS, device=setting.device)

    def create(self, num_envs: int, num_ue: int) -> WienerState:
        """See `Predictor.create`."""
        sizes = {"report": self._reports, "subband": self._bins.subbands, "beam": self._setting.grid.antennas}
        return WienerState.create(num_envs, self._setting.device, ue=num_ue, **sizes)

    def learn(self, state: WienerState, rows: torch.Tensor, ue: torch.Tensor, report: Report) -> None:
        """See `Predictor.learn`."""
        mine = (rows, slice(None), slice(None), ue)
        x, before, slots = self._bins.of(report.h), state.bins[mine], state.slots[rows, :, ue]
        spectrum = self._spectrum(report)
        process = _Process(before, self._seconds(slots, report.measured_slots), spectrum, report.nmse)
        expected, error = (values[:, 0] for values in process.at(torch.zeros_like(report.nmse)[:, None]))
        noise = process.noise * squared_magnitude(x).mean((1, 2), keepdim=True)
        overlap = (x.conj() * expected / (error + noise).clamp_min(_TINY)).sum((1, 2), keepdim=True)
        x = torch.where(overlap.abs() > 0, x * (overlap / overlap.abs().clamp_min(_TINY)), x)
        self._doubt(state, rows, ue, report, expected, x)

        bins = torch.cat([x[:, None], before[:, :-1]], 1)
        slots = torch.cat([report.measured_slots[:, None], slots[:, :-1]], 1)
        process = _Process(bins, self._seconds(slots, report.measured_slots), spectrum, report.nmse)
        state.bins[mine], state.slots[rows, :, ue], state.solved[mine] = bins, slots, process.solved
        each = (rows, slice(None), ue)
        state.share[each], state.mean_hz[each], state.std_hz[each] = spectrum[:3]
        state.rest_std_hz[rows, ue] = spectrum.rest_std_hz[:, 0, 0]
        state.power[rows, ue] = squared_magnitude(x).mean((1, 2))
        ages_s = self._ages_slots * self._setting.slot_s
        state.nmse[rows, ue] = self._lost(*process.at(ages_s.expand(len(rows), -1)))

    def _lost(self, value: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
        """One less the squared cosine that is expected between the bins and a prediction.

        Where a channel m + z is predicted as m, and z has uncorrelated elements of the powers e, the mean of |m^H h|^2
        over |m|^2 times that of |h|^2 is (|m|^2 + sum e |m|^2 / |m|^2) / (|m|^2 + sum e). That does not depend on the
        phase of m, which has no meaning.

        Args:
            value: m, complex64 [..., F, A].
            error: e, float32 [..., F, A].

        Returns:
            float32 [...], the mean over subbands, weighted by their power.
        """
        power, error = squared_magnitude(self._bins.by_subband(value)), error.mean(-2, keepdim=True)
        known = power.sum(-1)
        met = known + (error * power).sum(-1) / known.clamp_min(_TINY)
        return 1 - met.sum(-1) / (known + error.sum(-1)).sum(-1).clamp_min(_TINY)

    def _seconds(self, slots: torch.Tensor, since: torch.Tensor) -> torch.Tensor:
        """Times [N, K] of reports at `slots` [N, K] from `since` [N] on; of those never made, -inf."""
        time_s = (slots - since[:, None]) * self._setting.slot_s
        return torch.where(slots == _NEVER, -torch.inf, time_s)

    def _doubt(
        self,
        state: WienerState,
        rows: torch.Tensor,
        ue: torch.Tensor,
        report: Report,
        expected: torch.Tensor,
        x: torch.Tensor,
    ) -> None:
        """Compare how far off the report is with how far it was expected to be, the codec's own error included."""
        age_slots = report.measured_slots - state.slots[rows, 0, ue]
        told = self._nmse(state.nmse[rows, ue], age_slots.float())
        found = 1 - squared_cosine(self._bins.by_subband(expected), self._bins.by_subband(x)).mean(-1)
        doubt = torch.where(state.doubt[rows, ue] > 0, state.doubt[rows, ue], self._first_doubt)
        wrong = (found + _LEAST_NOISE) / (doubt * told + report.nmse + _LEAST_NOISE)
        known = (state.slots[rows, 0, ue] != _NEVER) & (age_slots > 0)
        state.doubt[rows, ue] = torch.where(known, (doubt * wrong.pow(_PATIENCE)).clamp(*_DOUBT_RANGE), doubt)

    def _nmse(self, nmse: torch.Tensor, age_slots: torch.Tensor) -> torch.Tensor:
        """Interpolation of `nmse` [..., ages] at `age_slots` [...], float32 [...]."""
        ages = self._ages_slots
        upper = torch.bucketize(age_slots, ages, right=True).clamp(1, len(AGES_SLOTS) - 1)
        share = ((age_slots - ages[upper - 1]) / (ages[upper] - ages[upper - 1])).clamp(0, 1)
        low, high = (nmse.gather(-1, index[..., None])[..., 0] for index in (upper - 1, upper))
        return torch.lerp(low, high, share)

    def predict(self, state: WienerState, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        """See `Predictor.predict`."""
        spectrum = Spectrum(
            state.share[rows], state.mean_hz[rows], state.std_hz[rows], state.rest_std_hz[rows][:, None, :, None]
        )
        measured = state.slots[rows]
        x = torch.zeros_like(reported.h)
        for index in range(self._reports):
            lag_slots = slots[:, None] - measured[:, index]
            lag_s = (lag_slots * self._setting.slot_s).float()
            x += spectrum.correlation(lag_s[:, None, :, None]) * state.solved[rows, index]
        age_slots = (slots[:, None] - measured[:, 0]).float()
        power = state.power[rows]
        total = squared_magnitude(x).mean((1, 3))
        x *= (power / total.clamp_min(_TINY)).sqrt()[:, None, :, None]
        nmse = (state.doubt[rows] * self._nmse(state.nmse[rows], age_slots)).clamp_max(1.0)
        return Predicted(self._bins.channels(x), (nmse * power).maximum(reported.error))


class _Process:
    """What reports say of N x F x A bins.

    Args:
        x: of K reports, the last first, complex64 [N, K, F, A].
        time_s: when they were measured, float [N, K]; -inf where they were not.
        spectrum: of each bin.
        nmse: error of the reports over their mean power [N].

    Attributes:
        power: of each bin, float32 [N, F, A].
        noise: over the mean power [N, 1, 1].
        solved: K^-1 x, complex64 [N, K, F, A].
    """

    def __init__(self, x: torch.Tensor, time_s: torch.Tensor, spectrum: Spectrum, nmse: torch.Tensor) -> None:
        self._spectrum, made = spectrum, torch.isfinite(time_s)
        self._time_s = torch.where(made, time_s, 0.0).float()
        weight = made / made.sum(1, keepdim=True).clamp_min(1)
        self.power = (squared_magnitude(x) * weight[..., None, None]).sum(1)
        mean = self.power.mean((1, 2), keepdim=True)
        self.noise = nmse.clamp_min(_LEAST_NOISE)[:, None, None]
        noise_to_power = self.noise * mean / self.power.clamp_min(_TINY).maximum(_LEAST_NOISE * mean)
        # Cholesky's factor of K, row by row, in each bin.
        reports = x.shape[1]
        self._lower: list[list[torch.Tensor]] = []
        for k in range(reports):
            row: list[torch.Tensor] = []
            lost = torch.where(made[:, k], 0.0, _LOST)[:, None, None]
            for j in range(k):
                entry = self._correlation(k, j)
                for i in range(j):
                    entry = entry - row[i] * self._lower[j][i].conj()
                row.append(entry / self._lower[j][j])
            diagonal = 1 + noise_to_power + lost + _LEAST_NOISE
            for entry in row:
                diagonal = diagonal - squared_magnitude(entry)
            row.append(diagonal.clamp_min(_TINY).sqrt())
            self._lower.append(row)
        self._white = self._forward([x[:, k] for k in range(reports)])
        self.solved = torch.stack(self._backward(self._white), 1)

    def _correlation(self, k: int, j: int) -> torch.Tensor:
        return self._spectrum.correlation((self._time_s[:, k] - self._time_s[:, j])[:, None, None])

    def _forward(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Cholesky's factor solved for `values`."""
        solved: list[torch.Tensor] = []
        for k, value in enumerate(values):
            for j, before in enumerate(solved):
                value = value - self._like(self._lower[k][j], value) * before
            solved.append(value / self._like(self._lower[k][k], value))
        return solved

    @staticmethod
    def _like(entry: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """An entry [N, F, A] as it meets a value [N, F, A] or [N, T, F, A]."""
        return entry if value.dim() == entry.dim() else entry[:, None]

    def _backward(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        solved: dict[int, torch.Tensor] = {}
        for k in reversed(range(len(values))):
            value = values[k]
            for j, later in solved.items():
                value = value - self._lower[j][k].conj() * later
            solved[k] = value / self._lower[k][k]
        return [solved[k] for k in range(len(values))]

    def at(self, time_s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The bins at times [N, T], complex64 [N, T, F, A], and the power of their errors, float32 of that shape."""
        spectrum = Spectrum(*(values[:, None] for values in self._spectrum))
        reports = range(self._time_s.shape[1])
        to = [spectrum.correlation((self._time_s[:, k, None] - time_s)[..., None, None]) for k in reports]
        white = self._forward(to)
        value = torch.stack([w.conj() * x[:, None] for w, x in zip(white, self._white, strict=True)]).sum(0)
        known = torch.stack([squared_magnitude(w) for w in white]).sum(0)
        return value, self.power[:, None] * (1 - known).clamp_min(0)


def from_setting(setting: Setting) -> Wiener:
    """The predictor `wiener`: two reports, and of the Doppler shift nothing but the speed."""
    bins = Bins(setting.grid, setting.subband_hz)
    return Wiener(setting, bins, FromSpeed(setting, bins), reports=2, doubt=FIRST_DOUBT)
