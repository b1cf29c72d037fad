"""Channels of a world at a site: their sizes, and samples of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.settings import lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.split import held_out_links
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.store.site import Site, kept_by_site

_SERVING_RATIO = 0.5
_AVERAGED = 1024


def angle_delay_grid(site: Site) -> AngleDelayGrid:
    """Sizes of a channel at this site."""
    recipe = site.recipe
    return AngleDelayGrid(
        blocks=recipe.csi_blocks,
        rows=recipe.array.rows,
        columns=recipe.array.columns,
        block_spacing_hz=recipe.block_spacing_hz,
    )


@dataclass(frozen=True, kw_only=True)
class SampledLinks:
    """Channels and where they are from.

    Attributes:
        h: complex64 [N, blocks, antennas].
        position_m: of the UEs [N, 3].
        ap: int64 [N].
    """

    h: torch.Tensor
    position_m: torch.Tensor
    ap: torch.Tensor

    def sensed_m(self, error_m: float, generator: torch.Generator) -> torch.Tensor:
        """Positions [N, 3] with a normal error of `error_m` along either axis."""
        error = error_m * torch.randn(len(self.ap), 2, generator=generator, device=self.ap.device)
        return self.position_m + torch.nn.functional.pad(error, (0, 1))


class ChannelSampler:
    """Draws channels of a world: UEs anywhere in the open, served by an AP within 3 dB of the strongest.

    Args:
        site: the site.
        atlas: the world.
        held_out: draw from the links kept for scoring (see `held_out_links`), or from the others.
        ap: draw from the links of this AP alone; None for all.
        weight: how likely UEs are at each grid point, not negative, float32 [points]; by default all points are
            equally likely.

    Attributes:
        link: AP and grid point of each link that may be drawn, int64 [links, 2].

    Raises:
        ConfigurationError: there is no such link, none at a point of any weight, or a weight is none.
    """

    def __init__(
        self, site: Site, atlas: Atlas, held_out: bool, ap: int | None = None, weight: torch.Tensor | None = None
    ) -> None:
        self.atlas, grid = atlas, angle_delay_grid(site)
        block = torch.arange(grid.blocks, device=atlas.device) - (grid.blocks - 1) / 2
        self._offset_hz = block * grid.block_spacing_hz
        serves = (atlas.gain > 0) & (atlas.gain >= _SERVING_RATIO * atlas.gain.amax(0))
        link = (serves & (held_out_links(atlas) == held_out)).nonzero()
        self.link = link if ap is None else link[link[:, 0] == ap]
        if not len(self.link):
            which = "no AP" if ap is None else f"not AP {ap}"
            purpose = "kept for scoring" if held_out else "to learn from"
            raise ConfigurationError(f"ap must be one that serves a link {purpose}; {which} at {site.recipe.name!r}")
        self._weight = None if weight is None else _of_links(weight, self.link, len(atlas.geometry.point_m))

    def __call__(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Channels with delays from the first path on, complex64 [count, blocks, antennas]."""
        return self.links(count, generator).h

    def links(self, count: int, generator: torch.Generator) -> SampledLinks:
        """The same with their places."""
        if self._weight is None:
            index = torch.randint(len(self.link), (count,), generator=generator, device=self.link.device)
        else:
            index = torch.multinomial(self._weight, count, replacement=True, generator=generator)
        ap, cell = self.link[index].unbind(-1)
        geometry = self.atlas.geometry
        moved = torch.rand(count, 2, generator=generator, device=ap.device) - 0.5
        position = geometry.point_m[cell] + torch.nn.functional.pad(moved * geometry.grid_m, (0, 1))
        paths = self.atlas.paths(position, ap)
        h = self.atlas.channel(paths, self._offset_hz, paths.first_m)
        power = h.abs().square().sum((1, 2))
        row = torch.where(power > 0, torch.arange(count, device=ap.device), power.argmax())
        return SampledLinks(h=h[row], position_m=position[row], ap=ap[row])


def _of_links(weight: torch.Tensor, link: torch.Tensor, points: int) -> torch.Tensor:
    """The weight of each link's grid point, checked."""
    if weight.shape != (points,) or not bool((weight.isfinite() & (weight >= 0)).all()):
        raise ConfigurationError(
            f"weight must be a finite number from 0 on for each of {points} grid points, got "
            f"{list(weight.shape)} of which {int((~(weight >= 0) | weight.isinf()).sum())} are not"
        )
    own = weight[link[:, 1]]
    if not bool(own.any()):
        raise ConfigurationError(
            f"weight must be above 0 at a grid point of one of the {len(link)} links; it is at none"
        )
    return own


@kept_by_site
@lasting()
def mean_profile(site: Site, world: str) -> torch.Tensor:
    """Where the power of a channel lies on average over the links of a twin world that may be learnt from.

    Args:
        site: the site.
        world: one of its twins.

    Returns:
        float32 [blocks (taps), antennas (beams)]; the sum is 1.

    Raises:
        ConfigurationError: the site has no such twin.
    """
    draw = ChannelSampler(site, site.twin(world), held_out=False)
    h = draw(_AVERAGED, torch.Generator(site.device).manual_seed(0))
    power = squared_magnitude(to_angle_delay(h, angle_delay_grid(site)))
    return (power / power.sum((1, 2), keepdim=True).clamp_min(1e-30)).mean(0)
