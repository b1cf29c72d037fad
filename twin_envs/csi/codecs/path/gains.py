"""How much weaker each path of a report is than the one before, in whole steps."""

from __future__ import annotations

import torch

_TINY = torch.finfo(torch.float32).tiny


def nearest_falls(gain: torch.Tensor, step_db: float, largest: int) -> torch.Tensor:
    """Steps from each path to the next, so that their sums are nearest to what there is, and errors do not add up.

    Args:
        gain: of paths, strongest first, complex64 [N, K].
        step_db: of a step.
        largest: number of steps that can be told.

    Returns:
        int64 [N, K], from 0, as always for the first path, to `largest`.
    """
    relative = gain.abs() / gain[:, :1].abs().clamp_min(_TINY)
    down = (-20 / step_db * torch.log10(relative.clamp_min(_TINY))).round().long()
    reach = largest * torch.arange(down.shape[1], device=down.device)
    down[:, 0] = 0
    said = (down - reach).cummin(1).values + reach  # no deeper than `largest` below any before
    return said.diff(dim=1, prepend=said[:, :1])
