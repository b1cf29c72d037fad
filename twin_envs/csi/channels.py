"""Channels of a world at a site: their sizes, and samples of them."""

from __future__ import annotations

import torch

from twin_envs.csi.split import Split, tiles
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.store.site import Site

_SERVING_RATIO = 0.5


def angle_delay_grid(site: Site) -> AngleDelayGrid:
    """Sizes of a channel at this site."""
    recipe = site.recipe
    return AngleDelayGrid(
        blocks=recipe.csi_blocks,
        rows=recipe.array.rows,
        columns=recipe.array.columns,
        block_spacing_hz=recipe.block_spacing_hz,
    )


class ChannelSampler:
    """Draws channels of a world: UEs anywhere in the open, served by an AP within 3 dB of the strongest.

    Args:
        site: the site.
        atlas: the world.
        held_out: draw from the links kept for scoring, or from the others.
        split: says which are kept.

    Attributes:
        link: AP and grid point of each link that may be drawn, int64 [links, 2].
    """

    def __init__(self, site: Site, atlas: Atlas, held_out: bool, split: Split = tiles) -> None:
        self.atlas, grid = atlas, angle_delay_grid(site)
        block = torch.arange(grid.blocks, device=atlas.device) - (grid.blocks - 1) / 2
        self._offset_hz = block * grid.block_spacing_hz
        serves = (atlas.gain > 0) & (atlas.gain >= _SERVING_RATIO * atlas.gain.amax(0))
        self.link = (serves & (split(atlas) == held_out)).nonzero()

    def __call__(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Channels with delays from the first path on, complex64 [count, blocks, antennas]."""
        index = torch.randint(len(self.link), (count,), generator=generator, device=self.link.device)
        ap, cell = self.link[index].unbind(-1)
        geometry = self.atlas.geometry
        moved = torch.rand(count, 2, generator=generator, device=ap.device) - 0.5
        position = geometry.point_m[cell] + torch.nn.functional.pad(moved * geometry.grid_m, (0, 1))
        paths = self.atlas.paths(position, ap)
        h = self.atlas.channel(paths, self._offset_hz, paths.first_m)
        power = h.abs().square().sum((1, 2))
        return torch.where(power[:, None, None] > 0, h, h[power.argmax()])
