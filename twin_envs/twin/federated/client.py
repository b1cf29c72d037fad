"""What a UE does: it learns from what it has measured and tells the server nothing but weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from twin_envs.base.errors import check_number
from twin_envs.base.settings import training
from twin_envs.twin.neural.network import huber

_RATE = 2e-3


class Client(Protocol):
    """A UE. Anything that has these serves: it may live in another process, or on another machine.

    Attributes:
        samples: how many it has measured, above 0.
    """

    samples: int

    def update(self, weights: torch.Tensor, round_number: int) -> torch.Tensor | None:
        """The weights [W] that it makes of the server's `weights` [W] in a round; None if it drops out."""


class LayerClient:
    """Learns a last layer exactly: the weights V that make |wanted - told V|^2 / M + pull |V - W|^2 least, where W are
    the server's (FedProx: Li et al., *Federated optimization in heterogeneous networks*, 2020).

    Args:
        told: what the layer is told of each sample, float32 [M, D].
        wanted: what it should say, float32 [M, F].
        pull: towards the server's weights, above 0.
    """

    def __init__(self, told: torch.Tensor, wanted: torch.Tensor, pull: float) -> None:
        self.samples = len(told)
        told_ = told.double()
        gram = told_.mT @ told_ / len(told)
        self._root = torch.linalg.cholesky(gram + pull * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
        self._gram, self._moment = gram, told_.mT @ wanted.double() / len(told)

    def update(self, weights: torch.Tensor, round_number: int) -> torch.Tensor:
        """See `Client.update`; W = D F weights, row by row."""
        layer = weights.double().view_as(self._moment)
        step = torch.cholesky_solve(self._moment - self._gram @ layer, self._root)
        return (layer + step).float().flatten()


class NetworkClient:
    """Learns a network by some steps of Adam in each round.

    Args:
        new_network: makes the network, always alike.
        told, wanted: samples [M, inputs] and [M, outputs].
        steps: of a round; each of `batch` samples.
        batch: see there.
        pull: towards the server's weights, as in FedProx; 0 is FedAvg (McMahan et al., *Communication-efficient
            learning of deep networks from decentralized data*, 2017).
        personal: so many of the last weights are its own: it keeps them, and the server's are nothing to it.
        seed: of the batches.

    Raises:
        ConfigurationError: `personal` is below 0, or more weights than the network has.
    """

    def __init__(
        self,
        new_network: Callable[[], torch.nn.Module],
        told: torch.Tensor,
        wanted: torch.Tensor,
        *,
        steps: int,
        batch: int,
        pull: float = 0.0,
        personal: int = 0,
        seed: int = 0,
    ) -> None:
        self.samples, self.network = len(told), new_network()
        check_number("personal", personal, 0, sum(one.numel() for one in self.network.parameters()), integer=True)
        self._told, self._wanted, self._steps, self._batch = told, wanted, steps, batch
        self._pull, self._personal, self._seed = pull, personal, seed

    def update(self, weights: torch.Tensor, round_number: int) -> torch.Tensor:
        """See `Client.update`; in the place of its own weights, which it never sends, it sends the server's."""
        self.take(weights)
        parameters = list(self.network.parameters())
        generator = torch.Generator().manual_seed(self._seed * 100_003 + round_number)
        batch = min(self._batch, self.samples)
        with training():
            self.network.requires_grad_(True)
            start = [parameter.detach().clone() for parameter in parameters]
            optimiser = torch.optim.Adam(parameters, lr=_RATE, foreach=True)
            for _ in range(self._steps):
                some = torch.randint(self.samples, (batch,), generator=generator).to(self._told.device)
                wanted = self._wanted[some]
                optimiser.zero_grad()
                huber(self.network(self._told[some]), wanted, torch.ones_like(wanted)).backward()
                if self._pull:
                    for parameter, begun in zip(parameters, start, strict=True):
                        parameter.grad.add_(parameter.detach() - begun, alpha=self._pull)  # type: ignore[union-attr]
                optimiser.step()
            self.network.requires_grad_(False)
        learnt = parameters_to_vector(parameters)
        shared = len(learnt) - self._personal
        return torch.cat([learnt[:shared], weights[shared:]])

    @property
    def kept(self) -> torch.Tensor:
        """The weights that are its own, float32 [P]: all that it carries from one round to the next."""
        own = parameters_to_vector(self.network.parameters()).detach()
        return own[len(own) - self._personal :]

    @kept.setter
    def kept(self, weights: torch.Tensor) -> None:
        own = parameters_to_vector(self.network.parameters()).detach()
        vector_to_parameters(torch.cat([own[: len(own) - self._personal], weights]), self.network.parameters())

    def take(self, weights: torch.Tensor) -> torch.Tensor:
        """Have the server's `weights` [W], but for those that are its own; gives the weights that it then has [W]."""
        with torch.no_grad():
            if self._personal:
                own = parameters_to_vector(self.network.parameters())
                weights = torch.cat([weights[: -self._personal], own[-self._personal :]])
            # Parameters are parts of the vector: of a copy, or to learn would change the server's.
            vector_to_parameters(weights.clone(), self.network.parameters())
        return weights
