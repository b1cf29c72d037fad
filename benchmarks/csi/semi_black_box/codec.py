"""A small CSI autoencoder for several scenes at once, each with weights of its own or all with the same."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from twin_envs.base.errors import ConfigurationError

FEWEST = 5
"""Samples that training needs at least of each scene: one in `_KEPT_ASIDE`, and at least 2, tell when to stop."""
_KEPT_ASIDE = 5
_SLOPE = 0.3


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Weights of V scenes, or of 1 for all: a dense layer at either end, and a refinement by one hidden layer.

    Attributes:
        encoder: float32 [V, pixels, codeword].
        decoder: float32 [V, codeword, pixels], the dense layer that scenes may have of their own.
        hidden, hidden_bias: of the refinement, float32 [V, pixels, hidden] and [V, 1, hidden].
        last, last_bias: float32 [V, hidden, pixels] and [V, 1, pixels].
    """

    encoder: torch.Tensor
    decoder: torch.Tensor
    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    last: torch.Tensor
    last_bias: torch.Tensor

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [V, N, pixels] through the codeword and back."""
        first = (pictures @ self.encoder) @ self.decoder
        hidden = torch.nn.functional.leaky_relu(first @ self.hidden + self.hidden_bias, _SLOPE)
        return first + hidden @ self.last + self.last_bias

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def parameters(self) -> int:
        """Numbers in the weights of one scene."""
        return sum(value[0].numel() for value in self.weights.values())

    def trainable(self, names: tuple[str, ...] = ()) -> Codec:
        """A copy whose weights of these names, or all, can be trained."""
        copies = {k: v.detach().clone().requires_grad_(not names or k in names) for k, v in self.weights.items()}
        return Codec(**copies)

    def detached(self) -> Codec:
        """The same without gradients."""
        return Codec(**{k: v.detach() for k, v in self.weights.items()})

    def of_each(self, count: int) -> Codec:
        """The same weights for `count` scenes, to go different ways from here."""
        return Codec(**{k: v.expand(count, *v.shape[1:]).clone() for k, v in self.weights.items()})


def principal(second_moments: torch.Tensor, codeword: int) -> torch.Tensor:
    """The strongest principal components of second moments [V, P, P], float32 [V, P, codeword]."""
    return torch.linalg.eigh(second_moments)[1].flip(-1)[..., :codeword].contiguous()


def new_codec(components: torch.Tensor, hidden: int, seed: int) -> Codec:
    """A codec that keeps components [V, P, codeword] and refines nothing yet; no global generator is touched."""
    pixels = components.shape[1]
    generator = torch.Generator().manual_seed(seed)
    return Codec(
        encoder=components,
        decoder=components.mT.contiguous(),
        hidden=torch.randn(1, pixels, hidden, generator=generator) * pixels**-0.5,
        hidden_bias=torch.zeros(1, 1, hidden),
        last=torch.zeros(1, hidden, pixels),
        last_bias=torch.zeros(1, 1, pixels),
    )


def errors(codec: Codec, pictures: torch.Tensor) -> torch.Tensor:
    """Mean squared error of pictures of unit norm [V, N, pixels], linear, float32 [V]: 1 is that of saying nothing."""
    with torch.no_grad():
        return (codec(pictures) - pictures).square().sum(-1).mean(-1)


def split(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures [V, N, pixels] to learn from, and those that tell when to stop: every fifth, and at least two.

    Raises:
        ConfigurationError: see `check_samples`.
    """
    check_samples(pictures)
    aside = max(2, pictures.shape[1] // _KEPT_ASIDE)
    return pictures[:, aside:], pictures[:, :aside]


def check_samples(pictures: torch.Tensor) -> None:
    """Refuse pictures [V, N, pixels] that nothing can be trained on.

    Raises:
        ConfigurationError: there are too few, or one of them is not finite.
    """
    if pictures.shape[1] < FEWEST:
        raise ConfigurationError(f"samples must be {FEWEST} or more to train on, got {pictures.shape[1]}")
    wrong = (~pictures.isfinite().all(-1)).nonzero()
    if len(wrong):
        scene, sample = wrong[0].tolist()
        raise ConfigurationError(
            f"samples must be finite; {len(wrong)} of {pictures.shape[0] * pictures.shape[1]} are not, the first is "
            f"sample {sample} of scene {scene}"
        )
