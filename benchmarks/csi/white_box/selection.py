"""Which real samples a network is fine-tuned on: what each rule looks at, and in which order it takes them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from twin_envs.benchmarks.csi.white_box.network import Autoencoder, errors

Rule = Callable[[torch.Tensor, torch.Tensor, Autoencoder, int, torch.Generator], torch.Tensor]
"""(real pictures [N, pixels], pictures of the twin [M, pixels], network trained on the latter, how many, generator) ->
index of the chosen ones, int64 [count], the first chosen first."""
_COMPONENTS = 128
"""Principal components of the real pictures in which distances are measured."""


def random(
    real: torch.Tensor, twin: torch.Tensor, net: Autoencoder, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Any of them."""
    return torch.randperm(len(real), generator=generator, device=real.device)[:count]


def worst(
    real: torch.Tensor, twin: torch.Tensor, net: Autoencoder, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Those that the network reconstructs worst."""
    return errors(net, real).argsort(descending=True, stable=True)[:count]


def farthest(
    real: torch.Tensor, twin: torch.Tensor, net: Autoencoder, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Greedy k-centre: each time the one farthest from all twin samples and from those chosen before."""
    real, twin = _projected(real, twin)
    distance = _to_nearest(real, twin)
    chosen = []
    for _ in range(count):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, _squared(real, real[chosen[-1]]))
    return torch.tensor(chosen, device=real.device)


def missing(
    real: torch.Tensor, twin: torch.Tensor, net: Autoencoder, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Kernel herding: those that, with as many twin samples beside them, come nearest to the second moments of reality.

    The kernel is the squared inner product, whose mean embedding is the covariance, all that principal components
    depend on. The target is twice reality's less the twin's: what is to be there so that half of it and half of the
    twin's make reality. (Chen, Welling and Smola, "Super-samples from kernel herding", UAI 2010.)
    """
    real, twin = _projected(real, twin)
    wanted = 2.0 * real.mT @ real / len(real) - twin.mT @ twin / len(twin)
    target = ((real @ wanted) * real).sum(1)
    held, free = torch.zeros_like(target), torch.zeros_like(target)
    chosen = []
    for step in range(count):
        chosen.append(int((target * (step + 1) - held + free).argmax()))
        held += (real @ real[chosen[-1]]).square()
        free[chosen[-1]] = -torch.inf
    return torch.tensor(chosen, device=real.device)


RULES: dict[str, Rule] = {
    "random": random,
    "worst": worst,
    "farthest": farthest,
    "missing": missing,
}
"""The rules by name."""


def _projected(real: torch.Tensor, twin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    components = torch.linalg.eigh(real.mT @ real)[1].flip(1)[:, :_COMPONENTS]
    return real @ components, twin @ components


def _squared(pictures: torch.Tensor, one: torch.Tensor) -> torch.Tensor:
    return (pictures - one).square().sum(1)


def _to_nearest(pictures: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.cdist(some, others).amin(1) for some in pictures.split(1024)]).square()
