"""What a base station tells a UE of the paths that its twin expects: where in fine steps, and how strong."""

from __future__ import annotations

import torch

from twin_envs.csi.codecs.path_net.circumstances import NONE, STRENGTH_STEP_DB
from twin_envs.csi.codecs.path_net.dictionary import FINE, FineDictionary
from twin_envs.csi.codecs.path_twin.expected import around
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.csi.waves import DELAYS_PER_TAP
from twin_envs.twin.protocol import ExpectsPaths

EXPECTED = 16
"""So many places a UE is told."""
_TINY = 1e-30


def expected_places(
    twin: ExpectsPaths,
    position_m: torch.Tensor,
    position_std_m: torch.Tensor,
    ap: torch.Tensor,
    dictionary: FineDictionary,
    grid: AngleDelayGrid,
) -> torch.Tensor:
    """Where a twin expects most power round the sensed position, strongest first.

    Powers are summed in cells of `FINE` steps in each direction; of a cell it is told where its power is on average.

    Args:
        twin, position_m, position_std_m, ap, grid: as for `expected_paths` of the codec `path-twin`.
        dictionary: the places that there are.

    Returns:
        int64 [N, EXPECTED, 4]: delay, row and column of each, and its strength, from 0, the strongest, to `NONE`.
    """
    paths, reports = around(twin, position_m, position_std_m, ap), len(ap)
    taps = paths.delay_s * grid.bandwidth_hz + grid.precursor_taps
    delays, rows, columns = dictionary.sizes
    at = torch.stack([taps * DELAYS_PER_TAP * FINE, paths.row_cycles * rows, paths.column_cycles * columns])
    cell = torch.floor(at / FINE + 0.5)
    beyond = (at - FINE * cell).view(3, reports, -1)
    cells = [max(size // FINE, 1) for size in dictionary.sizes]
    delay, row, column = cell.long()
    seen = (delay >= 0) & (delay < cells[0])
    index = (delay.clamp(0, cells[0] - 1) * cells[1] + row % cells[1]) * cells[2] + column % cells[2]
    index, power = index.view(reports, -1), torch.where(seen, paths.power, 0.0).view(reports, -1)

    def summed(values: torch.Tensor) -> torch.Tensor:
        every = torch.zeros(reports, cells[0] * cells[1] * cells[2], device=ap.device)
        return every.scatter_add_(1, index, values)

    strongest = summed(power).topk(EXPECTED, 1)
    mean = torch.stack([summed(power * each).gather(1, strongest.indices) for each in beyond])
    mean = (mean / strongest.values.clamp_min(_TINY)).round().clamp(-FINE // 2, FINE // 2 - 1).long()
    place = torch.stack(
        [
            (FINE * (strongest.indices // (cells[1] * cells[2])) + mean[0]).clamp(0, delays - 1),
            (FINE * (strongest.indices // cells[2] % cells[1]) + mean[1]) % rows,
            (FINE * (strongest.indices % cells[2]) + mean[2]) % columns,
        ],
        -1,
    )
    below_db = 10 * torch.log10(strongest.values[:, :1] / strongest.values.clamp_min(_TINY))
    strength = (below_db / STRENGTH_STEP_DB).round().clamp(0, NONE).long()
    strength = torch.where(strongest.values > 0, strength, NONE)
    return torch.cat([place, strength[..., None]], -1)
