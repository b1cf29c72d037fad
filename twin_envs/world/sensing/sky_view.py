"""Where GNSS works."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError, check_number


class SkyView(Constant):
    """Raster of the visible fraction of the sky, 0 to 1.

    Args:
        values: [ny, nx], row along y, column along x.
        origin_m: (x, y) of the centre of cell [0, 0].
        step_m: side of a cell.
        device: where the raster is kept.

    Raises:
        ConfigurationError: if `values` is not a raster of numbers from 0 to 1.
    """

    def __init__(
        self, values: object, origin_m: tuple[float, float], step_m: float, device: torch.device | str = "cpu"
    ) -> None:
        check_number("step_m", step_m, 0.01, 100.0)
        self.values = torch.as_tensor(values, dtype=torch.float32, device=device)
        shape = list(self.values.shape)
        if len(shape) != 2 or 0 in shape or not bool(((self.values >= 0) & (self.values <= 1)).all()):
            raise ConfigurationError(f"values must be a raster [ny, nx] of numbers from 0 to 1, got {shape}: {values}")
        self._origin_m = torch.tensor(origin_m, dtype=torch.float32, device=device)
        self._step_m = step_m
        self._last = torch.tensor(self.values.shape[::-1], device=device) - 1

    def at(self, position: torch.Tensor) -> torch.Tensor:
        """Visible fraction at positions [..., 2] (x, y) [m]: that of the nearest cell. float32 [...]."""
        cell = torch.minimum(((position - self._origin_m) / self._step_m).round().long().clamp_min(0), self._last)
        return self.values[cell[..., 1], cell[..., 0]]
