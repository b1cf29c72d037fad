"""The network that says how much of what pilots seem to show is a path, and how far off its place may be.

What a path's power and place are the pilots say, up to their noise, and what was to be expected there tells paths from
noise, by Bayes' rule (`before`). That holds for one path in white noise. What there is besides the network has learnt:
it adds to the logarithm of each path's expected power, makes the error of its place larger or smaller, and says how far
the twin can be trusted and how sure the delay is where pilots leave several, and how much there is besides paths. A
perceptron looks at each path, a second one at what the first says of it and of all. As it writes nothing but a prior,
what comes of it is a Wiener estimate, at any noise, spacing, array and site.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from twin_envs.csi.layers import Layer

HIDDEN = 32
FEATURES = 12
_FARTHEST = 6.0
"""Powers of e by which anything is changed at most."""


class Prior(NamedTuple):
    """What is to be expected of K paths of each of N UEs, and of the rest; natural logarithms.

    Attributes:
        power: [N, K], of a path's power over the square of its gain as it was found.
        delay_std, beam_std: [N, K], of the error of its place over what it was in the beginning.
        trust: [N, K], of how much what the twin says of its delay counts, over what it would in general.
        sure: [N, K], of the power to which the odds of its delays are raised where pilots leave several.
        rest: [N], of the power that no path has, over what it is estimated to be.
    """

    power: torch.Tensor
    delay_std: torch.Tensor
    beam_std: torch.Tensor
    trust: torch.Tensor
    sure: torch.Tensor
    rest: torch.Tensor


class PathsNetwork(nn.Module):
    """The network.

    Args:
        seed: of the weights in the beginning, with which it is Bayes' rule alone; no global generator is touched.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first, self.second = Layer(FEATURES, HIDDEN, generator), Layer(HIDDEN, HIDDEN, generator)
        self.third, self.last = Layer(2 * HIDDEN, HIDDEN, generator), Layer(HIDDEN, 5)
        self.of_rest = Layer(HIDDEN, 1)

    def forward(self, before: torch.Tensor, features: torch.Tensor) -> Prior:
        """The prior.

        Args:
            before: logarithm of the odds that each is a path, after pilots were heard [N, K].
            features: of each, each about as large as 1, [N, K, FEATURES].
        """
        silu = nn.functional.silu
        seen = silu(self.second(silu(self.first(features))))
        of_all = seen.mean(1, keepdim=True)
        said = self.last(silu(self.third(torch.cat([seen, of_all.expand_as(seen)], -1)))).clamp(-_FARTHEST, _FARTHEST)
        rest = self.of_rest(of_all[:, 0])[:, 0].clamp(-_FARTHEST, _FARTHEST)
        power, delay_std, beam_std, trust, sure = said.unbind(-1)
        return Prior(nn.functional.logsigmoid(before) + power, delay_std, beam_std, trust, sure, rest)
