"""Doppler spectra that a path may have: what the twin expects, and what it may be besides."""

from __future__ import annotations

import torch

from twin_envs.csi.prediction.spectrum import CLARKE_STD, Lines

UNFORESEEN = 16
"""Narrow lines from one end of the Doppler shifts at the sensed speed to the other."""
TOLD, ANY, NARROW, HELD, NOT_TOLD = range(5)
"""Kinds of lines: the twin's; from all sides; about the mean of all paths; that never turn; those `UNFORESEEN`."""
KINDS = 5
_STD = 0.36 / UNFORESEEN
"""Of a line that nobody foresees, of the whole range."""
_HELD_SHARE = 0.03


def of_twin(lines: Lines, largest_hz: torch.Tensor) -> Lines:
    """The twin's lines [N, M, L] (see `ExpectedLines`), and such as it does not foresee: these have half of what it
    does not know."""
    told = lines.share.shape[-1] - 3
    unknown = lines.share[..., told : told + 2]
    rest = Lines(
        torch.cat([lines.share[..., :told], 0.5 * unknown, lines.share[..., told + 2 :]], -1),
        lines.mean_hz,
        lines.std_hz,
    )
    return _joined(rest, _unforeseen(0.5 * unknown.sum(-1), largest_hz))


def of_speed(paths: int, largest_hz: torch.Tensor) -> Lines:
    """Lines of M paths of N UEs of which only the speed is known."""
    shape = (len(largest_hz), paths, 1)
    half = torch.full(shape, 0.5 * (1 - _HELD_SHARE), device=largest_hz.device)
    held, zero = torch.full_like(half, _HELD_SHARE), torch.zeros_like(half)
    std_hz = (CLARKE_STD * largest_hz)[:, None, None].expand(shape)
    rest = Lines(torch.cat([half, held], -1), torch.cat([zero, zero], -1), torch.cat([std_hz, zero], -1))
    return _joined(rest, _unforeseen(half[..., 0], largest_hz))


def kinds(lines: int, device: torch.device) -> torch.Tensor:
    """The kind of each of so many lines, as `of_twin` and `of_speed` put them, int64 [lines]."""
    known = lines - UNFORESEEN
    first = [TOLD] * (known - 3) + [ANY, NARROW, HELD] if known > 2 else [ANY, HELD]
    return torch.tensor(first + [NOT_TOLD] * UNFORESEEN, device=device)


def _unforeseen(share: torch.Tensor, largest_hz: torch.Tensor) -> Lines:
    """Lines all over the range, of the share [N, M] in all."""
    shape = (*share.shape, UNFORESEEN)
    middle = (torch.arange(UNFORESEEN, device=share.device) + 0.5) * (2 / UNFORESEEN) - 1
    range_hz = largest_hz[:, None, None]
    return Lines(
        (share / UNFORESEEN)[..., None].expand(shape),
        (range_hz * middle).expand(shape),
        (2 * _STD * range_hz).expand(shape),
    )


def _joined(one: Lines, other: Lines) -> Lines:
    return Lines(*(torch.cat(both, -1) for both in zip(one, other, strict=True)))
