"""What a scene's map is turned into: a profile and from it a dense layer, or weights written number by number."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import nn

from twin_envs.benchmarks.csi.semi_black_box.codec import Codec, principal
from twin_envs.benchmarks.csi.semi_black_box.samples import BEAMS, PIXELS, TAPS

_WIDTH, _KERNEL, _DROPPED = 24, 5, 0.2
_LEAST_SHARE = 1e-4
_SCALES = (0.01, 100.0)
"""By what the power in a bin may differ from the mean over scenes."""
_LEAST_NOISE = 1e-3
"""Of codewords, as a share of their mean power: what the profile does not know."""
FEATURES = TAPS + 3


def features(rasters: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
    """What hypernetworks see, direction by direction.

    Args:
        rasters: float32 [V, CHANNELS, RANGES, BEAMS].
        rays: what was launched, float32 [V, TAPS, BEAMS].

    Returns:
        float32 [V, FEATURES, BEAMS]: logarithms of the rays' power; area in sight; free area; how far the wall is.
    """
    height, free, seen = rasters.unbind(1)
    ranges = height.shape[1]
    away = (torch.arange(ranges) + 0.5)[:, None] / ranges**2
    wall = height > 0.05
    first = torch.where(wall.any(1), wall.float().argmax(1), ranges) / ranges
    of_the_map = torch.stack([(seen * away).sum(1), (free * away).sum(1), first], 1)
    return torch.cat([(rays + 1e-3).log() / 3 + 1.5, of_the_map], 1)


class ProfileNetwork(nn.Module):
    """Writes the mean power profile of a scene: convolutions over directions correct what rays and other scenes say.

    Args:
        mean: profile over other scenes, [TAPS, BEAMS].
        seed: of its weights; no global generator is touched.
    """

    def __init__(self, mean: torch.Tensor, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.first = nn.Conv1d(FEATURES, _WIDTH, _KERNEL, padding=_KERNEL // 2)
            self.second = nn.Conv1d(2 * _WIDTH, _WIDTH, _KERNEL, padding=_KERNEL // 2)
            self.last = nn.Conv1d(_WIDTH, TAPS, 1)
        for weights in self.last.parameters():
            nn.init.zeros_(weights)
        self.trust = nn.Parameter(torch.zeros(TAPS, 1))
        self.mean = nn.Parameter(mean.clamp_min(_LEAST_SHARE).log())

    def forward(self, seen: torch.Tensor, rays: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Logarithm of the profile, [V, TAPS, BEAMS].

        Args:
            seen: `features` [V, FEATURES, BEAMS].
            rays: [V, TAPS, BEAMS]; zero where nothing was launched.
            generator: of what is dropped in training; None drops nothing.
        """
        x = nn.functional.gelu(self.first(seen))
        x = torch.cat([x, x.mean(-1, keepdim=True).expand_as(x)], 1)
        x = nn.functional.gelu(self.second(_drop(x, generator)))
        mean = self.mean.flatten().softmax(0).view_as(self.mean)
        trust = self.trust.sigmoid()
        start = (trust * (rays + _LEAST_SHARE) + (1 - trust) * mean).log()
        return (self.last(_drop(x, generator)) + start).flatten(1).log_softmax(1).view_as(rays)


def _drop(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    if generator is None:
        return x
    return x * (torch.rand(x.shape, generator=generator) >= _DROPPED) / (1 - _DROPPED)


def scales(profiles: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """By what amplitudes in a scene differ from the mean over scenes: profiles [V, TAPS, BEAMS] -> [V, PIXELS]."""
    return (profiles / mean.clamp_min(1e-9)).clamp(*_SCALES).sqrt().flatten(1).repeat_interleave(2, -1)


def personal_components(
    profiles: torch.Tensor, mean: torch.Tensor, moments: torch.Tensor, codeword: int
) -> torch.Tensor:
    """Principal components of a scene whose profile alone is known: those of all scenes' second moments, rescaled.

    Args:
        profiles: of the scenes [V, TAPS, BEAMS].
        mean: over the scenes that `moments` are of.
        moments: second moments [PIXELS, PIXELS].
        codeword: how many.

    Returns:
        float32 [V, PIXELS, codeword], orthonormal.
    """
    of_each = scales(profiles, mean)
    return torch.cat([principal((s[:, None] * moments * s)[None], codeword) for s in of_each])


def wiener_decoder(
    encoder: torch.Tensor, profiles: torch.Tensor, mean: torch.Tensor, moments: torch.Tensor
) -> torch.Tensor:
    """The dense layer that decodes best, in the mean square, what a general encoder [1, PIXELS, codeword] sends.

    Returns:
        float32 [V, codeword, PIXELS].
    """
    of_each = scales(profiles, mean)[..., None]
    cross = of_each * (moments @ (of_each * encoder))
    sent = encoder.mT @ cross
    codeword = sent.shape[-1]
    noise = _LEAST_NOISE * sent.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None] * torch.eye(codeword)
    return torch.linalg.solve(sent + noise, cross.mT)


class Writer(nn.Module):
    """A hypernetwork that writes numbers which are added to weights of a general codec.

    Args:
        general: the codec.
        rank: of a matrix that is added to the decoder's dense layer; None writes the whole codec.
        seed: of its weights; no global generator is touched.
    """

    def __init__(self, general: Codec, rank: int | None, seed: int) -> None:
        super().__init__()
        self.general = nn.ParameterDict({k: v.detach().clone() for k, v in general.weights.items()})
        self.rank = rank
        codeword = general.encoder.shape[-1]
        size = general.parameters if rank is None else rank * (codeword + PIXELS)
        embedded = 16
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.first = nn.Conv1d(FEATURES, _WIDTH, _KERNEL, padding=_KERNEL // 2)
            self.second = nn.Conv1d(_WIDTH, _WIDTH, _KERNEL, padding=_KERNEL // 2, stride=2)
            self.embed = nn.Linear(_WIDTH * BEAMS // 2, embedded)
            self.write = nn.Linear(embedded, size)
        nn.init.normal_(
            self.write.weight, std=0.01 / math.sqrt(embedded), generator=torch.Generator().manual_seed(seed)
        )
        nn.init.zeros_(self.write.bias)

    def forward(self, seen: torch.Tensor, generator: torch.Generator | None = None) -> Codec:
        """The codec of each scene with `features` [V, FEATURES, BEAMS]; dropout as in `ProfileNetwork`."""
        x = nn.functional.gelu(self.first(seen))
        x = nn.functional.gelu(self.second(_drop(x, generator))).flatten(1)
        written = self.write(torch.tanh(self.embed(_drop(x, generator))))
        general = Codec(**dict(self.general.items()))
        if self.rank is not None:
            left, right = written.split([self.rank * general.encoder.shape[-1], self.rank * PIXELS], -1)
            added = left.unflatten(-1, (-1, self.rank)) @ right.unflatten(-1, (self.rank, -1)) * 10.0
            return dataclasses.replace(general, decoder=general.decoder + added)
        parts = written.split([value[0].numel() for value in general.weights.values()], -1)
        return Codec(
            **{
                name: value + part.unflatten(-1, value.shape[1:])
                for (name, value), part in zip(general.weights.items(), parts, strict=True)
            }
        )
