"""The network that says which lines of a Doppler spectrum are a path's, after what reports have of it.

By Bayes' rule a line is as probable as it was before, times how likely the reports are if the path is that line alone.
This holds for a path that is one line and for noise that is known. What paths really are the network has learnt: it
adds to the logarithm of that probability, and makes lines wider or narrower. A perceptron looks at each line, a second
one at what the first says of it and of all lines of the path. Nothing in it is of a site, a speed or a carrier.
"""

from __future__ import annotations

import torch
from torch import nn

from twin_envs.base.units import squared_magnitude
from twin_envs.csi.layers import Layer
from twin_envs.csi.prediction.followed_paths import Heard
from twin_envs.csi.prediction.net.candidates import KINDS, kinds
from twin_envs.csi.prediction.process import Process
from twin_envs.csi.prediction.spectrum import Lines

HIDDEN = 32
_OF_LINE = 11
_LEAST_SHARE, _LEAST_POWER, _LEAST = 1e-6, 1e-6, 1e-4
_DEEPEST = -20.0
_WIDEST = 2.0
"""A line becomes wider or narrower by this power of e at most."""
_TINY = 1e-30


def evidence(lines: Lines, heard: Heard) -> torch.Tensor:
    """How likely what reports have of each path is if it is one line alone, natural logarithm, float32 [N, M, L]."""
    count, each = lines.share.shape[-1], heard.x.shape[1]
    alone = Lines(*(values.flatten(1)[..., None] for values in (torch.ones_like(lines.share), *lines[1:])))
    x = heard.x[..., None].expand(*heard.x.shape, count).reshape(len(heard.x), each, -1)
    return Process(x, heard.time_s, alone, heard.nmse).log_likelihood().unflatten(1, (-1, count))


class LinesNetwork(nn.Module):
    """The network.

    Args:
        seed: of the weights in the beginning, with which it is Bayes' rule alone; no global generator is touched.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = Layer(_OF_LINE + KINDS, HIDDEN, generator)
        self.second, self.third = Layer(HIDDEN, HIDDEN, generator), Layer(2 * HIDDEN, HIDDEN, generator)
        self.last = Layer(HIDDEN, 2)

    def forward(self, lines: Lines, heard: Heard) -> Lines:
        """The spectra of paths, [N, M, L] each, after what was `heard` of them."""
        return self.weighed(lines, heard, evidence(lines, heard))

    def weighed(self, lines: Lines, heard: Heard, likely: torch.Tensor) -> Lines:
        """The same with their `evidence`."""
        before = lines.share.clamp_min(_LEAST_SHARE).log()
        top = likely.amax(-1, keepdim=True)
        after = (before + likely - top).log_softmax(-1)
        seen = torch.nn.functional.silu(self.first(_features(lines, heard, before, likely - top, top, after)))
        seen = torch.nn.functional.silu(self.second(seen))
        of_path = (after.exp()[..., None] * seen).sum(-2, keepdim=True).expand_as(seen)
        said = self.last(torch.nn.functional.silu(self.third(torch.cat([seen, of_path], -1))))
        wider = said[..., 1].clamp(-_WIDEST, _WIDEST).exp()
        return Lines((after + said[..., 0]).softmax(-1), lines.mean_hz, lines.std_hz * wider)


def _features(
    lines: Lines,
    heard: Heard,
    before: torch.Tensor,
    likely: torch.Tensor,
    top: torch.Tensor,
    after: torch.Tensor,
) -> torch.Tensor:
    """What the network looks at: of each line of each path about as large as 1, [N, M, L, features]."""
    made = torch.isfinite(heard.time_s)
    count = made.sum(1)[:, None, None].clamp_min(1)
    power = squared_magnitude(heard.x).sum(1)[..., None] / count
    strength = (power / power.amax(1, keepdim=True).clamp_min(_TINY)).clamp_min(_LEAST_POWER).log10()
    fit = (top / count + power.clamp_min(_TINY).log()) / 5
    apart_s = torch.where(made, -heard.time_s, 0.0).amax(1)[:, None, None] / (count - 1).clamp_min(1)
    range_hz = heard.largest_hz[:, None, None]
    turns, own_turns = (range_hz * apart_s).clamp_min(_LEAST).log(), (lines.std_hz * apart_s).clamp_min(_LEAST).log()
    of_line = [
        before / 5,
        likely.clamp_min(_DEEPEST) / 5,
        after.clamp_min(_DEEPEST) / 5,
        after.exp(),
        lines.mean_hz / range_hz,
        lines.std_hz / range_hz,
        own_turns / 2,
        *(each.expand_as(before) for each in (strength, fit, turns, count / 4)),
    ]
    kind = torch.nn.functional.one_hot(kinds(before.shape[-1], before.device), KINDS).to(before.dtype)
    return torch.cat([torch.stack(of_line, -1), kind.expand(*before.shape, KINDS)], -1)
