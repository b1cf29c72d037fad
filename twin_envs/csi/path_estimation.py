"""Channel estimates from CSI-RS by paths: those that stand out of the noise, and LMMSE for what is left.

Bins of which only the power is known leave most of what there is to know: a path that lies between bins is in many of
them, with one gain. Matching pursuit finds such paths one after the other, as long as the next one takes off more
energy than the strongest of as many independent bins of noise would have.
"""

from __future__ import annotations

import math

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import phasor
from twin_envs.csi.estimation import hedge, lmmse, match_power, refine
from twin_envs.csi.path_pursuit import BlockDictionary
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay

MOST_PATHS = 24


class PathEstimator(Constant):
    """The estimator `pursuit`.

    Args:
        grid: sizes of a channel.
        mean_profile: where power lies on average at a site, [blocks (taps), antennas (beams)], for what is no path.
    """

    def __init__(self, grid: AngleDelayGrid, mean_profile: torch.Tensor) -> None:
        self._grid, self._mean_profile = grid, mean_profile
        self._dictionaries: dict[int, BlockDictionary] = {}

    def __call__(self, y: torch.Tensor, spacing: torch.Tensor, noise_to_pilot: torch.Tensor) -> torch.Tensor:
        """Estimates, as `estimation.lmmse` gives them.

        Args:
            y: complex64 [N, blocks, antennas], from `pilots.sound`.
            spacing: int64 [N], the spacing it was sounded with.
            noise_to_pilot: float32 [N], variance of a pilot sample's error.

        Returns:
            The estimate's angle-delay picture, complex64 [N, blocks (taps), antennas (beams)].
        """
        paths = torch.zeros_like(y)
        for choice in spacing.unique().tolist():
            rows = (spacing == choice).nonzero()[:, 0]
            paths[rows] = self._paths(y[rows, ::choice], choice, noise_to_pilot[rows])
        sounded = torch.arange(self._grid.blocks, device=y.device) % spacing[:, None] == 0
        left = y - paths * sounded[..., None]
        prior = hedge(torch.zeros(y.shape, device=y.device), self._mean_profile)
        prior = match_power(prior, left, spacing, noise_to_pilot)
        prior = refine(left, spacing, noise_to_pilot, prior, self._grid)
        return to_angle_delay(paths, self._grid) + lmmse(left, spacing, noise_to_pilot, prior, self._grid)

    def _paths(self, y: torch.Tensor, spacing: int, noise: torch.Tensor) -> torch.Tensor:
        """The paths of pilots y [N, F, antennas] on every `spacing`-th block, [N, blocks, antennas]."""
        grid, dictionary = self._grid, self._dictionary(spacing, y.device)
        index, gains = dictionary.pursue(y, min(MOST_PATHS, y.shape[1] * y.shape[2] // 2))
        delay, beam = dictionary.waves(index)
        met = torch.einsum("nkf,nfa,nka->nk", delay.conj(), y, beam.conj())
        taken = (gains.conj() * met[:, None]).real.sum(-1)  # energy, of the first 1, 2, ... paths
        more = taken.diff(dim=1, prepend=torch.zeros_like(taken[:, :1]))
        stands_out = more > noise[:, None] * math.log(dictionary.delays * dictionary.beams)
        count = stands_out.long().cumprod(1).sum(1)
        gain = gains[torch.arange(len(y), device=y.device), (count - 1).clamp_min(0)] * (count > 0)[:, None]
        cycles = torch.arange(grid.blocks, device=y.device) * (dictionary.places(index)[0] / grid.blocks)[..., None]
        everywhere = phasor((-2 * math.pi * torch.remainder(cycles, 1.0)).float()) * y.shape[1] ** -0.5
        return (everywhere * gain[..., None]).mT @ beam

    def _dictionary(self, spacing: int, device: torch.device) -> BlockDictionary:
        if spacing not in self._dictionaries:
            block = None if spacing == 1 else torch.arange(0, self._grid.blocks, spacing)
            self._dictionaries[spacing] = BlockDictionary(self._grid, device, block)
        return self._dictionaries[spacing]
