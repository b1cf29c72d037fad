"""Are channel estimates as good as theory says? Errors against closed forms, computed with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.base.streams import Streams
from twin_envs.csi.estimation import least_squares, lmmse
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay

CHANNELS, QUICK_CHANNELS = 4096, 512
_SNRS_DB = (-10, 0, 10, 20)


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of estimation.

    Channels are drawn whose angle-delay bins are uncorrelated, of known power.

    Returns:
        By SNR [dB] of a pilot sample, for LMMSE with the true powers as prior and for least squares: the normalised
        mean square error measured, and that of theory, in which each bin of power p in noise of variance s leaves
        p s / (p + s), or s.
    """
    count, generator = QUICK_CHANNELS if quick else CHANNELS, np.random.default_rng(seed)
    grid = AngleDelayGrid()
    power = np.exp(-np.arange(grid.blocks) / 4.0)[:, None] * generator.random(grid.antennas) ** 8
    power *= grid.blocks * grid.antennas / power.sum()  # mean power 1 per block and antenna
    parts = generator.standard_normal((2, count, *power.shape)) * np.sqrt(power / 2)
    h = from_angle_delay(torch.from_numpy(parts[0] + 1j * parts[1]).to(torch.complex64), grid)
    profile = torch.from_numpy(power).float().expand(count, -1, -1)
    rows, spacing, streams = torch.arange(count), torch.ones(count, dtype=torch.int64), Streams(count)
    streams.seed(rows, rows + seed)
    result = {}
    for snr_db in _SNRS_DB:
        noise = 10 ** (-snr_db / 10)
        variance = torch.full((count,), noise)
        y = sound(h, variance, spacing, streams, rows)
        estimates = {
            "lmmse": lmmse(y, spacing, variance, profile, grid),
            "least_squares": least_squares(y, spacing, grid),
        }
        theory = {"lmmse": (power * noise / (power + noise)).mean(), "least_squares": noise}
        result[str(snr_db)] = {
            name: {"measured": _nmse(from_angle_delay(estimate, grid), h), "theory": float(theory[name])}
            for name, estimate in estimates.items()
        }
    return result


def _nmse(estimate: torch.Tensor, h: torch.Tensor) -> float:
    return float((estimate - h).abs().square().sum() / h.abs().square().sum())
