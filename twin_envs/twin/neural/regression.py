"""Linear regression towards weights that are known already: how the last layer of a network is adapted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""None is so small that a layer of a hundred weights could follow every sample: what is near is for kriging."""
_LEAST_FREE = 0.05
"""What is left of a sample when it is left out is told from its error within, which is at least so much of it."""


@dataclass(frozen=True, kw_only=True)
class Regression:
    """What was found.

    Attributes:
        weights: float32 [D, F].
        left_out: wanted less said of each sample, by the weights that follow from the others, float32 [M, F].
    """

    weights: torch.Tensor
    left_out: torch.Tensor


def regress(told: torch.Tensor, wanted: torch.Tensor, prior: torch.Tensor) -> Regression:
    """Weights W that make |wanted - told W|^2 / M + penalty |W - prior|^2 least.

    Of each column of W the penalty is that with which samples are said best when they are left out (Allen, *The
    relationship between variable selection and data augmentation*, 1974), in mean absolute error.

    Args:
        told: float32 [M, D], each column of about unit variance.
        wanted: float32 [M, F].
        prior: float32 [D, F].
    """
    told_, rest = told.double(), (wanted - told @ prior).double()
    power, basis = torch.linalg.eigh(told_.mT @ told_ / len(told_))
    power = power.clamp_min(0)
    turned = told_ @ basis
    share = turned.mT @ rest / len(told_)
    errors, changes = [], []
    for penalty in _PENALTIES:
        change = share / (power + penalty)[:, None]
        leverage = (turned.square() / (power + penalty)).sum(-1) / len(told_)
        errors.append((rest - turned @ change) / (1 - leverage).clamp_min(_LEAST_FREE)[:, None])
        changes.append(change)
    error, change = torch.stack(errors), torch.stack(changes)
    best = error.abs().mean(1).argmin(0)
    column = torch.arange(wanted.shape[1], device=told.device)
    return Regression(
        weights=prior + (basis @ change[best, :, column].mT).float(), left_out=error[best, :, column].mT.float()
    )


def regress_for_strangers(
    told: torch.Tensor, wanted: torch.Tensor, prior: torch.Tensor, group: torch.Tensor
) -> Regression:
    """The same for samples of groups of which there is none: a whole group is left out at a time.

    Args:
        told, wanted, prior: see `regress`.
        group: of each sample, int64 [M]; two groups or more.
    """
    told_, rest = told.double(), (wanted - told @ prior).double()
    gram, moment = told_.mT @ told_, told_.mT @ rest
    error = torch.zeros(len(_PENALTIES), *rest.shape, dtype=rest.dtype, device=rest.device)
    for number in group.unique().tolist():
        own = group == number
        mine, left = told_[own], len(told_) - int(own.sum())
        power, basis = torch.linalg.eigh((gram - mine.mT @ mine) / left)
        share = basis.mT @ (moment - mine.mT @ rest[own]) / left
        turned = mine @ basis
        for index, penalty in enumerate(_PENALTIES):
            error[index, own] = rest[own] - turned @ (share / (power.clamp_min(0) + penalty)[:, None])
    best = error.abs().mean(1).argmin(0)
    column = torch.arange(wanted.shape[1], device=told.device)
    chosen = torch.tensor(_PENALTIES, dtype=told_.dtype, device=told.device)[best]
    power, basis = torch.linalg.eigh(gram / len(told_))
    change = (basis.mT @ moment / len(told_)) / (power.clamp_min(0)[:, None] + chosen)
    return Regression(weights=prior + (basis @ change).float(), left_out=error[best, :, column].mT.float())


def spread_of(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the columns of `values` [N, F], as `regress` wants them: none is 0."""
    std, mean = torch.std_mean(values, 0)
    return mean, torch.where(std > 1e-6 * (1 + mean.abs()), std, math.inf)
