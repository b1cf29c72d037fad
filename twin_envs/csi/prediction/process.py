"""Wiener prediction of stationary processes, each on its own, of which noisy samples have been reported.

With samples x_k = s(t_k) + n_k of a process of the power P and the autocorrelation P r(lag), the linear estimate of
s(t) with the least error is r_t^H K^-1 x with K_kl = r(t_k - t_l) + (noise / P) delta_kl and (r_t)_k = r(t_k - t), and
its error is P (1 - r_t^H K^-1 r_t) (Kay, "Fundamentals of statistical signal processing: estimation theory", 1993,
chapter 12). The times of reports may be any.
"""

from __future__ import annotations

import torch

from twin_envs.base.units import squared_magnitude
from twin_envs.csi.prediction.spectrum import Spectrum

LEAST_NOISE = 1e-3
"""Of the mean power: nothing is reported more exactly, nor does a process go on more exactly."""
_LOST = 1e6
"""Noise over power of a report that was never made."""
_TINY = 1e-30


class Process:
    """What K reports say of M processes of each of N UEs.

    Args:
        x: of the reports, the last first, complex64 [N, K, M].
        time_s: when they were measured, float [N, K]; -inf where they were not.
        spectrum: of each process.
        nmse: errors of the reports over their mean power [N, K].

    Attributes:
        power: of each process, float32 [N, M].
        noise: over the mean power [N, 1].
        solved: K^-1 x, complex64 [N, K, M].
    """

    def __init__(self, x: torch.Tensor, time_s: torch.Tensor, spectrum: Spectrum, nmse: torch.Tensor) -> None:
        self._spectrum, made = spectrum, torch.isfinite(time_s)
        self._time_s, self._made = torch.where(made, time_s, 0.0).float(), made
        weight = made / made.sum(1, keepdim=True).clamp_min(1)
        self.power = (squared_magnitude(x) * weight[..., None]).sum(1)
        mean = self.power.mean(1, keepdim=True)
        noise = nmse.clamp_min(LEAST_NOISE)[..., None]
        self.noise = noise[:, 0]
        noise_to_power = noise * (mean / self.power.clamp_min(_TINY).maximum(LEAST_NOISE * mean))[:, None]
        # Cholesky's factor of K, row by row, of each process.
        reports = x.shape[1]
        self._lower: list[list[torch.Tensor]] = []
        for k in range(reports):
            row: list[torch.Tensor] = []
            lost = torch.where(made[:, k], 0.0, _LOST)[:, None]
            for j in range(k):
                entry = self._correlation(k, j)
                for i in range(j):
                    entry = entry - row[i] * self._lower[j][i].conj()
                row.append(entry / self._lower[j][j])
            diagonal = 1 + noise_to_power[:, k] + lost + LEAST_NOISE
            for entry in row:
                diagonal = diagonal - squared_magnitude(entry)
            row.append(diagonal.clamp_min(_TINY).sqrt())
            self._lower.append(row)
        self._white = self._forward([x[:, k] for k in range(reports)])
        self.solved = torch.stack(self._backward(self._white), 1)

    def _correlation(self, k: int, j: int) -> torch.Tensor:
        return self._spectrum.correlation((self._time_s[:, k] - self._time_s[:, j])[:, None])

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
        """An entry [N, M] as it meets a value [N, M] or [N, T, M]."""
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
        """The processes at times [N, T], complex64 [N, T, M], and the power of their errors, float32 [N, T, M]."""
        reports, size = range(self._time_s.shape[1]), self.power.shape[1]
        spectrum = self._spectrum.at_times()
        to = [spectrum.correlation((self._time_s[:, k, None] - time_s)[..., None]) for k in reports]
        white = self._forward([one.expand(*time_s.shape, size) for one in to])
        value = torch.stack([w.conj() * x[:, None] for w, x in zip(white, self._white, strict=True)]).sum(0)
        known = torch.stack([squared_magnitude(w) for w in white]).sum(0)
        return value, self.power[:, None] * (1 - known).clamp_min(0)

    def log_likelihood(self) -> torch.Tensor:
        """How likely all reports of each process are, natural logarithm but for a constant, float32 [N, M].

        Of circular normal samples, whatever their power is: where the likeliest power is put in, it is
        -K log(x^H K^-1 x) - log det K.
        """
        count = self._made.sum(1, keepdim=True).clamp_min(1)
        energy = torch.stack([squared_magnitude(white) for white in self._white]).sum(0)
        volume = torch.stack([row[-1].log() for row in self._lower]).sum(0)
        return -count * (energy / count).clamp_min(_TINY).log() - 2 * volume

    def in_phase(self, x: torch.Tensor) -> torch.Tensor:
        """What turns a report x [N, M] of time 0 to the phase that is likeliest after these, complex64 [N, 1]."""
        expected, error = (values[:, 0] for values in self.at(torch.zeros_like(self._time_s[:, :1])))
        noise = self.noise * squared_magnitude(x).mean(1, keepdim=True)
        overlap = (x.conj() * expected / (error + noise).clamp_min(_TINY)).sum(1, keepdim=True)
        return torch.where(overlap.abs() > 0, overlap / overlap.abs().clamp_min(_TINY), torch.ones_like(overlap))
