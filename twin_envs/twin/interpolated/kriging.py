"""Kriging: residuals are a Gaussian process of the place, one for each access point, all with the same covariance.

The covariance falls exponentially with the distance, as that of shadow fading does (Gudmundson, *Correlation model for
shadow fading in mobile radio systems*, 1991; TR 38.901, 7.4.4), and what a metre already changes is noise. Variance,
distance and noise are those under which the gains that were measured are most likely. scikit-learn fits them and solves
for the weights; with these, asking is a product of matrices.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.interpolated.features import GAIN
from twin_envs.twin.interpolated.interpolation import width

_APART_M = 1e6
"""Access points are told apart by an offset of the place, beyond which nothing is correlated."""
_MOST_LINKS = 300
"""The covariance is fitted to so many links, of the APs that have most: the time goes with their third power."""
_CHUNK = 2048


class Kriging:
    """Simple kriging of an AP's residuals about zero.

    Args:
        position_m: where residuals were measured, float32 [M, 2].
        ap: of which AP, int64 [M].
        residual: float32 [M, F]; the first is the gain's, after which the covariance is fitted. All have the same
            weights, and an uncertainty in proportion to their own standard deviation.

    Attributes:
        kernel: scikit-learn's, for residuals of unit variance.
        processes: scikit-learn's Gaussian process of each AP that was measured.
        scale: standard deviation of each residual [F].
        calibration: by what the processes' standard deviations are multiplied [F], so that 90 % of what was measured
            lies within 1.645 of them when it is left out: residuals have heavier tails than a normal distribution.

    Raises:
        ConfigurationError: scikit-learn is missing.
    """

    def __init__(self, position_m: torch.Tensor, ap: torch.Tensor, residual: torch.Tensor) -> None:
        self.scale = residual.square().mean(0).sqrt().clamp_min(1e-12).double()
        place = position_m.cpu().double()
        unit = (residual.double() / self.scale).cpu()
        aps = ap.cpu()
        self.kernel = _fit_kernel(place, aps, unit[:, GAIN])
        self.processes = {
            number: _process(self.kernel, place[aps == number], unit[aps == number]) for number in aps.unique().tolist()
        }
        self._solved = {number: _Solved(process, residual.device) for number, process in self.processes.items()}
        self._sill, self._length_m, self._noise = covariance_of(self.kernel)
        self.calibration = _calibration(list(self._solved.values()))

    def at(self, position_m: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Interpolation.at`. Where nothing near was measured it is zero, with the whole standard deviation."""
        solved, widths = self._solved.get(ap), self.scale * self.calibration
        if solved is None:
            nothing = torch.zeros(len(position_m), len(self.scale), device=position_m.device)
            return nothing, nothing + ((self._sill + self._noise) ** 0.5 * widths).float()
        mean, std = [], []
        for position in position_m.double().split(_CHUNK):
            covariance = self._sill * torch.exp(-torch.cdist(position, solved.place) / self._length_m)
            explained = torch.linalg.solve_triangular(solved.root, covariance.mT, upper=False).square().sum(0)
            mean.append(covariance @ solved.weights * self.scale)
            std.append((self._sill + self._noise - explained).clamp_min(0).sqrt()[:, None] * widths)
        return torch.cat(mean).float(), torch.cat(std).float()


class _Solved:
    """What scikit-learn's process of an AP has solved for, as tensors."""

    def __init__(self, process: Any, device: torch.device) -> None:
        self.place = torch.from_numpy(process.X_train_).to(device)
        self.weights = torch.from_numpy(process.alpha_).to(device)
        self.root = torch.from_numpy(process.L_).to(device)


def _calibration(solved: list[_Solved]) -> torch.Tensor:
    """See `Kriging.calibration`. Errors of what is left out follow from the inverse of the covariance (Dubrule, *Cross
    validation of kriging in a unique neighborhood*, 1983)."""
    ratios = []
    for process in solved:
        precision = torch.cholesky_inverse(process.root).diagonal()
        ratios.append(process.weights / precision.sqrt()[:, None])
    return width(torch.cat(ratios))


def covariance_of(kernel: Any) -> tuple[float, float, float]:
    """Variance, distance [m] and noise variance of a kernel as `Kriging` fits it."""
    return kernel.k1.k1.constant_value, kernel.k1.k2.length_scale, kernel.k2.noise_level


def _fit_kernel(place: torch.Tensor, ap: torch.Tensor, gain: torch.Tensor) -> Any:
    """The kernel under which the unit `gain` [M] of links at `place` [M, 2] to `ap` [M] is most likely."""
    gaussian_process, kernels = _sklearn()
    count = ap.bincount()
    links: list[int] = []
    for number in count.argsort(descending=True, stable=True).tolist():
        if links and len(links) + int(count[number]) > _MOST_LINKS:
            break
        links += (ap == number).nonzero()[:, 0].tolist()
    chosen = torch.tensor(links[:_MOST_LINKS])
    apart = place[chosen].clone()
    apart[:, 0] += _APART_M * ap[chosen]
    kernel = kernels.ConstantKernel(0.7, (1e-2, 1e1)) * kernels.Matern(20.0, (2.0, 300.0), nu=0.5)
    process = gaussian_process.GaussianProcessRegressor(kernel + kernels.WhiteKernel(0.3, (1e-4, 1e1)))
    with warnings.catch_warnings():
        # A parameter at its bound, or a likelihood so flat that its maximum is not found to the last digit, will do.
        warnings.simplefilter("ignore")
        return process.fit(apart.numpy(), gain[chosen].numpy()).kernel_


def _process(kernel: Any, place: torch.Tensor, unit: torch.Tensor) -> Any:
    gaussian_process, _ = _sklearn()
    return gaussian_process.GaussianProcessRegressor(kernel, optimizer=None).fit(place.numpy(), unit.numpy())


def _sklearn() -> tuple[Any, Any]:
    try:
        from sklearn import gaussian_process
        from sklearn.gaussian_process import kernels
    except ImportError as error:
        raise ConfigurationError(
            "channel_twin by kriging needs scikit-learn: pip install 'twin-envs[twins]', or choose channel_twin "
            "'inverse-distance'"
        ) from error
    return gaussian_process, kernels
