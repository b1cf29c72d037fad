"""Observations at zero mean and unit deviation, for a network that goes on to read them as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from twin_envs.agents.learning.shared import SharedNetwork

_LEAST = 1e-3
"""Numbers that deviate less are left as they are."""


class Standard:
    """The mean and the deviation of each number of observations; of items, the same for all.

    A difference of 3 dB is a hundredth or two of a gain's range, and a fresh network hardly sees it. While it is
    fitted, it is to be shown standardised observations.

    Args:
        policy: whose network is to be fitted.
        observations: float32 [N, D], to take the mean and the deviation of.
    """

    def __init__(self, policy: ActorCriticPolicy, observations: torch.Tensor) -> None:
        network = policy.mlp_extractor
        shared = network if isinstance(network, SharedNetwork) else None
        parts = (shared.context, shared.score, shared.pooled) if shared else (network.policy_net, network.value_net)
        self._layers = [cast(nn.Linear, part[0]) for part in parts]
        numbers = shared.each(observations).flatten(0, 1) if shared else observations
        self._mean, deviation = numbers.mean(0), numbers.std(0)
        self._deviation = torch.where(deviation < _LEAST, 1.0, deviation)
        self._places = shared.each(torch.arange(observations.shape[1])[None])[0] if shared else None

    def __call__(self, observations: torch.Tensor) -> torch.Tensor:
        """Standardised observations [N, D]."""
        return (observations - self._of_all(self._mean)) / self._of_all(self._deviation)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The network does with standardised observations what it otherwise does with observations as they are."""
        with torch.no_grad():
            for layer in self._layers:
                read = layer.weight[:, : len(self._mean)]
                layer.bias.add_(read @ self._mean)
                read.mul_(self._deviation)
        try:
            yield
        finally:
            with torch.no_grad():
                for layer in self._layers:
                    read = layer.weight[:, : len(self._mean)]
                    read.div_(self._deviation)
                    layer.bias.sub_(read @ self._mean)

    def _of_all(self, numbers: torch.Tensor) -> torch.Tensor:
        """What is known of each number that the first layers read, for all numbers of an observation [D]."""
        if self._places is None:
            return numbers
        spread = torch.zeros(int(self._places.max()) + 1)
        spread[self._places] = numbers.expand(self._places.shape)
        return spread
