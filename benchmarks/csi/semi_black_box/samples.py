"""Channels of an access point in a scene, as pictures in coordinates of its beams."""

from __future__ import annotations

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.picture import describe
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.recipe import SiteRecipe

BLOCKS, BEAMS, TAPS, PRECURSOR_TAPS = 32, 32, 8, 1
"""Of a picture: resource blocks of 1.44 MHz, so that a tap is 22 ns or 6.5 m; and the window that is seen."""
PIXELS = 2 * TAPS * BEAMS
FEWEST_PLACES = 20
"""An access point that is heard at fewer grid points is left out."""
_CHUNK = 512


def picture_grid(recipe: SiteRecipe) -> AngleDelayGrid:
    """Sizes of a picture."""
    return AngleDelayGrid(
        blocks=BLOCKS,
        rows=1,
        columns=BEAMS,
        taps=TAPS,
        precursor_taps=PRECURSOR_TAPS,
        block_spacing_hz=recipe.block_spacing_hz,
    )


def heard(atlas: Atlas) -> list[int]:
    """The access points that are heard at enough grid points to be learnt."""
    return [ap for ap, gain in enumerate(atlas.gain) if int((gain > 0).sum()) >= FEWEST_PLACES]


def draw(recipe: SiteRecipe, atlas: Atlas, ap: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """Channels with delays from the first path on: UEs anywhere in the open where the access point is heard.

    Returns:
        complex64 [count, BLOCKS, BEAMS (antennas)].

    Raises:
        ConfigurationError: the access point is heard nowhere.
    """
    cells = (atlas.gain[ap] > 0).nonzero()[:, 0]
    if not len(cells):
        raise ConfigurationError(f"ap must be one that is heard somewhere in {recipe.name!r}, got {ap}")
    geometry = atlas.geometry
    offset_hz = (torch.arange(BLOCKS) - (BLOCKS - 1) / 2) * recipe.block_spacing_hz
    found: list[torch.Tensor] = []
    while sum(map(len, found)) < count:
        cell = cells[torch.randint(len(cells), (_CHUNK,), generator=generator)]
        moved = torch.rand(_CHUNK, 2, generator=generator) - 0.5
        position_m = geometry.point_m[cell] + torch.nn.functional.pad(moved * geometry.grid_m, (0, 1))
        paths = atlas.paths(position_m, torch.full((_CHUNK,), ap))
        h = atlas.channel(paths, offset_hz, paths.first_m)
        found.append(h[h.abs().square().sum((1, 2)) > 0])
    return torch.cat(found)[:count]


def pictures(h: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """Windows of unit norm, real and imaginary parts bin by bin, beams in the order of their directions.

    Args:
        h: channels complex64 [N, blocks, antennas].
        grid: the sizes.

    Returns:
        float32 [N, taps * beams * 2].

    Raises:
        ConfigurationError: a channel is zero or not finite.
    """
    seen = describe(to_angle_delay(h, grid), grid)[0].roll(grid.antennas // 2, -1)
    flat = torch.view_as_real(seen.contiguous()).flatten(1)
    wrong = (~(flat.isfinite().all(1) & flat.any(1))).nonzero()[:, 0]
    if len(wrong):
        raise ConfigurationError(
            f"channels must be finite and not zero; {len(wrong)} of {len(h)} are not, the first is {int(wrong[0])}"
        )
    return flat


def profile(seen: torch.Tensor) -> torch.Tensor:
    """Where the power of pictures lies in the mean: [..., N, PIXELS] -> [..., TAPS, BEAMS], of sum 1."""
    power = seen.square().mean(-2).unflatten(-1, (TAPS, BEAMS, 2)).sum(-1)
    return power / power.sum((-2, -1), keepdim=True)
