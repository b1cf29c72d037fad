"""A transformer as autoencoder: delays attend to delays, and in the decoder beams to beams, too.

After Cui, Guo and Song, "TransNet: full attention network for CSI feedback in FDD massive MIMO system", IEEE Wireless
Communications Letters, 2022: two layers in the encoder, two more for each attention in the decoder, each of attention
and of a network of two layers. Unlike there, layers add to the image and normalise what they read only (Xiong et al.,
"On layer normalization in the transformer architecture", ICML 2020), so that the whole can start as principal
components (see `autoencoder`), and the inner layers are narrow.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from twin_envs.csi.codecs.autoencoder.network import Autoencoder

WIDTH, HEADS, INNER = 64, 4, 96
"""Numbers in a token, heads of an attention, width of a layer's inner network."""
LAYERS = 2
"""Of each stack."""


class Transformer(Autoencoder):
    """The codec `transformer`: a stack over delays before the latents, one over delays and one over beams behind."""

    architecture = "transformer-1"
    learning_rate = 2e-3

    def _lay_out(self) -> None:
        taps, antennas = self.configuration.grid.taps, self.configuration.grid.antennas
        self.encoder = _Stack(taps, 2 * antennas)
        self._linear()
        self.over_delays, self.over_beams = _Stack(taps, 2 * antennas), _Stack(antennas, 2 * taps)

    def _seen(self, image: torch.Tensor) -> torch.Tensor:
        scale = (self.configuration.pixels / 2) ** 0.5
        return self._added(self.encoder, image * scale) / scale

    def _refined(self, image: torch.Tensor) -> torch.Tensor:
        return self._added(self.over_beams, self._added(self.over_delays, image).mT).mT

    def _last(self) -> Iterable[nn.Module]:
        return self.encoder.out, self.over_delays.out, self.over_beams.out

    @staticmethod
    def _added(stack: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """An image [N, 2, tokens, numbers] and what a stack adds to it."""
        added: torch.Tensor = stack(image.movedim(1, -1).flatten(2))
        return image + added.unflatten(2, (-1, 2)).movedim(-1, 1)


class _Stack(nn.Module):
    """Layers of a transformer over so many tokens of so many numbers each, [N, tokens, numbers] -> the same shape."""

    def __init__(self, tokens: int, numbers: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(tokens, WIDTH))
        self.embed, self.out = nn.Linear(numbers, WIDTH), nn.Linear(WIDTH, numbers)
        self.layers = nn.ModuleList(_Layer() for _ in range(LAYERS))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        state = self.embed(tokens) + self.place
        for layer in self.layers:
            state = layer(state)
        out: torch.Tensor = self.out(state)
        return out


class _Layer(nn.Module):
    """Attention, and a network of two layers, [N, tokens, WIDTH] -> the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_inner = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.asked, self.answered = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        asked = self.asked(self.before_attention(state)).unflatten(2, (3, HEADS, -1)).movedim(1, 3)  # [N, 3, H, T, W/H]
        query, key, value = asked.unbind(1)
        heed = torch.softmax(query @ key.mT * query.shape[-1] ** -0.5, -1)
        state = state + self.answered((heed @ value).movedim(1, 2).flatten(2))
        added: torch.Tensor = self.inner(self.before_inner(state))
        return state + added
