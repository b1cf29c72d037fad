"""Training of the small autoencoder: a fixed number of steps, the best state on samples that are kept aside."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.settings import training
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, nmse_db

FEWEST = 5
"""Samples that training needs at least: one in `_KEPT_ASIDE`, and at least 2, tell when to stop."""
_KEPT_ASIDE = 5


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how a network is trained.

    Args:
        steps: optimiser steps.
        batch_size: pictures in a step.
        learning_rate: of Adam at the start; it falls to zero along a half cosine.
        looks: how often the samples kept aside are looked at.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    steps: int = 500
    batch_size: int = 64
    learning_rate: float = 1e-3
    looks: int = 10

    def __post_init__(self) -> None:
        check_number("steps", self.steps, 1, 10**7, integer=True)
        check_number("batch_size", self.batch_size, 2, 10**6, integer=True)
        check_number("learning_rate", self.learning_rate, 1e-8, 1.0)
        check_number("looks", self.looks, 1, self.steps, integer=True)


def split(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures to learn from, and pictures that tell when to stop: every fifth, and at least two.

    Raises:
        ConfigurationError: there are too few, or one of them is not finite.
    """
    if len(pictures) < FEWEST:
        raise ConfigurationError(f"samples must be {FEWEST} or more to train on, got {len(pictures)}")
    wrong = (~pictures.isfinite().all(1)).nonzero()[:, 0]
    if len(wrong):
        raise ConfigurationError(
            f"samples must be finite; {len(wrong)} of {len(pictures)} are not, the first is sample {int(wrong[0])}"
        )
    aside = max(2, len(pictures) // _KEPT_ASIDE)
    return pictures[aside:], pictures[:aside]


@training()
def train(
    net: Autoencoder,
    pictures: torch.Tensor,
    *,
    schedule: Schedule,
    seed: int,
    rehearsed: torch.Tensor | None = None,
) -> int:
    """Train a network in place.

    Args:
        net: as it shall start.
        pictures: unit-norm pictures [N, pixels] in no particular order; `split` says what becomes of them.
        schedule: how long and how.
        seed: of the batches.
        rehearsed: other pictures [M, pixels] that make up half of every batch, so that they are not forgotten.

    Returns:
        The step whose state was best on the pictures kept aside, which the network now has; 0 is that of the start.
    """
    learnt, aside = split(pictures)
    sources = [learnt] if rehearsed is None else [learnt, rehearsed]
    share = schedule.batch_size // len(sources)
    generator = torch.Generator(pictures.device).manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=schedule.learning_rate, fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps)
    best, best_db, best_state = 0, nmse_db(net, aside), _state(net)
    for step in range(1, schedule.steps + 1):
        batch = torch.cat([_drawn(source, share, generator) for source in sources])
        loss = (net(batch) - batch).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
        if step % (schedule.steps // schedule.looks) == 0 or step == schedule.steps:
            found_db = nmse_db(net, aside)
            if found_db < best_db:
                best, best_db, best_state = step, found_db, _state(net)
    net.load_state_dict(best_state)
    return best


def _drawn(pictures: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    return pictures[torch.randint(len(pictures), (count,), generator=generator, device=pictures.device)]


def _state(net: Autoencoder) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
