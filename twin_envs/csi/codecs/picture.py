"""What learnt codecs see of a channel: a window of its angle-delay picture, without its strength and common phase."""

from __future__ import annotations

import torch

from twin_envs.base.units import squared_magnitude
from twin_envs.csi.transforms import AngleDelayGrid, crop

_TINY = torch.finfo(torch.float32).tiny


def describe(x: torch.Tensor, grid: AngleDelayGrid) -> tuple[torch.Tensor, torch.Tensor]:
    """What a codec sees of angle-delay pictures, and the path gain that it sees.

    Args:
        x: complex64 [N, blocks (taps), antennas (beams)].
        grid: the sizes.

    Returns:
        A window of them, complex64 [N, taps, beams], of unit norm and with the strongest bin real; and the share in the
        window of the mean of |h|^2 over blocks and antennas, float32 [N].
    """
    x = crop(x, grid)
    power = squared_magnitude(x)
    strongest = x.flatten(1).gather(1, power.flatten(1).argmax(1, keepdim=True))[..., None]
    energy = power.sum((1, 2))
    rotation = strongest.conj() / (strongest.abs() * energy.sqrt()[:, None, None]).clamp_min(_TINY)
    return x * rotation, energy / (grid.blocks * grid.antennas)
