"""How the server makes one of what clients send: what is not a number is refused, what is too much held back, and of
each weight the outermost are left out."""

from __future__ import annotations

import torch

_BOUND = 3.0
"""A client may move the weights so many times as far as the client in the middle, and count so many times as much."""


def finite(updates: torch.Tensor) -> torch.Tensor:
    """Which updates [K, W] are all numbers, bool [K]."""
    return updates.isfinite().all(-1)


def bounded(updates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Updates [K, W] by which the weights are moved, none longer than three times their median; and which were, [K]."""
    length = updates.norm(dim=-1)
    most = _BOUND * length.median()
    long = length > most
    return torch.where(long[:, None], updates * (most / length.clamp_min(1e-30))[:, None], updates), long


def limited(samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What clients count that say how many `samples` [K] they have, none more than three times their median; and who
    has said more, [K]."""
    most = _BOUND * samples.median()
    return samples.minimum(most), samples > most


def trimmed_mean(updates: torch.Tensor, weight: torch.Tensor, trim: float) -> torch.Tensor:
    """Mean of updates [K, W] by `weight` [K]; of each column a share of clients is left out at either end, rounded up
    (Yin et al., *Byzantine-robust distributed learning*, 2018). Two clients or fewer are all kept: [W].

    Args:
        updates: by which the weights are moved.
        weight: what each client counts.
        trim: the share, 0 to below 0.5.
    """
    count = len(updates)
    out = min(int(-(-trim * count // 1)), (count - 1) // 2)
    order = updates.argsort(0)[out : count - out]
    share = weight[order]
    return (updates.gather(0, order) * share).sum(0) / share.sum(0).clamp_min(1e-30)
