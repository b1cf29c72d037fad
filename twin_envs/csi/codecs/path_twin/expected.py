"""What a base station tells a UE of the paths that its twin expects, before the UE reports."""

from __future__ import annotations

import torch

from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.csi.waves import DELAYS_PER_TAP
from twin_envs.twin.protocol import ExpectedPaths, ExpectsPaths

EXPECTED = 24
"""So many delays and beams a UE is told."""
STRENGTH_BITS = 3
"""How much weaker than the strongest each is: 0 to 6 steps of 3 dB; 7 where there is none."""
NONE = 2**STRENGTH_BITS - 1
STRENGTH_STEP_DB = 3.0
_POSITIONS = 24
_GOLDEN_RAD = 2.399963
_TINY = 1e-30


def expected_paths(
    twin: ExpectsPaths,
    position_m: torch.Tensor,
    position_std_m: torch.Tensor,
    ap: torch.Tensor,
    dictionary: Dictionary,
    grid: AngleDelayGrid,
) -> torch.Tensor:
    """The delays and beams in which a twin expects most power round the sensed position, strongest first.

    Powers are summed over `_POSITIONS` positions that stand for the normal distribution of the true one.

    Args:
        twin: what is asked.
        position_m: sensed [N, 3].
        position_std_m: its standard deviation along each axis [N].
        ap: access points, int64 [N].
        dictionary: the delays and beams that there are.
        grid: sizes of a channel.

    Returns:
        int64 [N, EXPECTED, 2]: each index (delay times beams plus beam), and its strength from 0, the strongest, to
        `NONE`.
    """
    paths = around(twin, position_m, position_std_m, ap)
    delay = (paths.delay_s * grid.bandwidth_hz + grid.precursor_taps) * DELAYS_PER_TAP
    delay = delay.round().long()
    row = (paths.row_cycles * dictionary.rows).round().long() % dictionary.rows
    column = (paths.column_cycles * dictionary.columns).round().long() % dictionary.columns
    index = (delay * dictionary.rows + row) * dictionary.columns + column
    power = torch.where((delay >= 0) & (delay < dictionary.delays), paths.power, 0.0)
    every = torch.zeros(len(ap), dictionary.delays * dictionary.beams, device=ap.device)
    known = index.clamp(0, every.shape[1] - 1)
    every.scatter_add_(1, known.view(len(ap), -1), power.view(len(ap), -1))
    strongest = every.topk(EXPECTED, 1)
    below_db = 10 * torch.log10(strongest.values[:, :1] / strongest.values.clamp_min(_TINY))
    strength = (below_db / STRENGTH_STEP_DB).round().clamp(0, NONE).long()
    strength = torch.where(strongest.values > 0, strength, NONE)
    return torch.stack([strongest.indices, strength], -1)


def around(
    twin: ExpectsPaths, position_m: torch.Tensor, position_std_m: torch.Tensor, ap: torch.Tensor
) -> ExpectedPaths:
    """What a twin expects at `_POSITIONS` positions round each of N sensed ones, [N x positions, paths]."""
    number = torch.arange(_POSITIONS, device=ap.device) + 0.5
    radius, angle = (-2 * torch.log(1 - number / _POSITIONS)).sqrt(), number * _GOLDEN_RAD
    offset = torch.stack([radius * angle.cos(), radius * angle.sin(), torch.zeros_like(angle)], -1)
    place = position_m[:, None] + offset * position_std_m[:, None, None]
    return twin.expected_paths(place.flatten(0, 1), ap.repeat_interleave(_POSITIONS))
