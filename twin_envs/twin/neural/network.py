"""Small networks and how they are trained: on one thread, from a generator of their own, so always alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from twin_envs.base.settings import training

_RATE, _WARM_SHARE, _CLIP = 4e-3, 0.15, 1.0
_BEND = 0.5
"""Errors are squared up to here, in standard deviations of what is learnt, and count as they are beyond."""


def new_network(inputs: int, hidden: Sequence[int], outputs: int, seed: int) -> torch.nn.Sequential:
    """A network of fully connected layers with ReLU between them.

    Args:
        inputs, outputs: how many numbers go in and come out.
        hidden: width of each hidden layer.
        seed: of its weights (He et al., 2015).
    """
    generator, layers, width = torch.Generator().manual_seed(seed), [], inputs
    for wide in (*hidden, outputs):
        linear = torch.nn.utils.skip_init(torch.nn.Linear, width, wide)
        bound = math.sqrt(6 / width) if wide != outputs else math.sqrt(1 / width)
        with torch.no_grad():
            linear.weight.uniform_(-bound, bound, generator=generator)
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU()]
        width = wide
    return torch.nn.Sequential(*layers[:-1])


def train(
    network: torch.nn.Module, told: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor, *, steps: int, batch: int
) -> None:
    """Train a network by Adam (Kingma and Ba 2015), its rate raised and lowered once.

    Args:
        network: trained in place.
        told: what goes in [M, inputs].
        wanted: what should come out [M, outputs], in units of its standard deviation.
        weight: what each of these counts [M, outputs].
        steps: of the optimiser.
        batch: samples of a step.
    """
    generator = torch.Generator().manual_seed(0)
    parameters = list(network.parameters())
    with training():
        optimiser = torch.optim.Adam(parameters, lr=_RATE, foreach=True)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = _RATE * _raised(step / steps)
            some = torch.randint(len(told), (min(batch, len(told)),), generator=generator).to(told.device)
            loss = huber(network(told[some]), wanted[some], weight[some])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
            optimiser.step()
    network.requires_grad_(False)


def huber(said: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean over samples of the weighted loss of all outputs (Huber 1964)."""
    loss = torch.nn.functional.smooth_l1_loss(said, wanted, reduction="none", beta=_BEND)
    return (loss * weight).sum() / len(said)


def _raised(share: float) -> float:
    """The rate at a share of the training, of the highest: linearly up, then down by half a cosine."""
    if share < _WARM_SHARE:
        return (share + 0.01) / (_WARM_SHARE + 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * (share - _WARM_SHARE) / (1 - _WARM_SHARE))
