"""A small autoencoder of angle-delay pictures, that trains in seconds.

The encoder is linear. The decoder adds to a linear map one hidden layer, and its picture has unit norm. Both maps start
as principal components of the training data, each component scaled to unit variance: one learning rate then suits
strong and weak components alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from twin_envs.base.errors import check_number

_SLOPE = 0.3
_LEAST_VARIANCE = 1e-3
"""Variance of a component, as a share of the strongest one's, below which it counts as if it had so much."""
_HIDDEN_SCALE = 0.1
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of an `Autoencoder`.

    Args:
        pixels: real numbers in a picture.
        codeword: real numbers in a codeword.
        hidden: width of the decoder's hidden layer.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    pixels: int
    codeword: int = 128
    hidden: int = 256

    def __post_init__(self) -> None:
        check_number("pixels", self.pixels, 2, 10**6, integer=True)
        check_number("codeword", self.codeword, 1, self.pixels, integer=True)
        check_number("hidden", self.hidden, 1, 10**5, integer=True)


class Autoencoder(nn.Module):
    """The network: `pictures [N, pixels] -> codewords [N, codeword] -> pictures of unit norm [N, pixels]`, float32.

    Args:
        sizes: of it.
        seed: of the hidden layer's weights; no global generator is touched.
    """

    def __init__(self, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.scale = nn.Buffer(torch.ones(sizes.codeword))
        self.encoder = nn.Parameter(torch.zeros(sizes.pixels, sizes.codeword))
        self.decoder = nn.Parameter(torch.zeros(sizes.codeword, sizes.pixels))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.hidden = nn.Linear(sizes.codeword, sizes.hidden)
            self.last = nn.Linear(sizes.hidden, sizes.pixels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    @torch.no_grad()
    def start_from(self, pictures: torch.Tensor) -> None:
        """Set the linear maps to the principal components of pictures [N, pixels], strongest first."""
        variance, components = torch.linalg.eigh(pictures.mT @ pictures / len(pictures))
        kept = self.sizes.codeword
        variance, components = variance.flip(0)[:kept], components.flip(1)[:, :kept]
        self.scale.copy_(variance.clamp_min(_LEAST_VARIANCE * variance[0]).sqrt())
        self.encoder.copy_(components)
        self.decoder.copy_(components.mT)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures through the codeword and back."""
        codeword = (pictures @ self.encoder) / self.scale
        hidden = nn.functional.leaky_relu(self.hidden(codeword), _SLOPE)
        decoded = (codeword * self.scale) @ self.decoder + _HIDDEN_SCALE * self.last(hidden)
        norm = decoded.square().sum(1, keepdim=True).clamp_min(_TINY).sqrt()
        return decoded / norm


def errors(net: Autoencoder, pictures: torch.Tensor, batch_size: int = 1024) -> torch.Tensor:
    """Squared error of each picture of unit norm [N, pixels], linear, float32 [N]: 2 is chance."""
    with torch.no_grad():
        return torch.cat([(net(some) - some).square().sum(1) for some in pictures.split(batch_size)])


def nmse_db(net: Autoencoder, pictures: torch.Tensor) -> float:
    """Mean squared error of pictures of unit norm [N, pixels] [dB]."""
    return float(10.0 * errors(net, pictures).double().mean().log10())
