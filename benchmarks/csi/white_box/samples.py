"""Samples of worlds as pictures that an autoencoder sees, and what they are of.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.picture import describe
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.store.site import Site

ACCESS_POINT = 0
"""The base station whose channels are learnt, of those in the recipe."""
TAPS, PRECURSOR_TAPS = 16, 3
"""The window of a picture; outside it lies less than a hundredth of the power at `munich`."""


def picture_grid(site: Site) -> AngleDelayGrid:
    """Sizes of a picture at this site."""
    return dataclasses.replace(angle_delay_grid(site), taps=TAPS, precursor_taps=PRECURSOR_TAPS)


def pictures(h: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """Windows of unit norm, real and imaginary parts bin by bin, of channels complex64 [N, blocks, antennas].

    Returns:
        float32 [N, pixels].

    Raises:
        ConfigurationError: a channel is zero or not finite.
    """
    seen = torch.view_as_real(describe(to_angle_delay(h, grid), grid)[0]).flatten(1)
    wrong = (~(seen.isfinite().all(1) & seen.any(1))).nonzero()[:, 0]
    if len(wrong):
        raise ConfigurationError(
            f"channels must be finite and not zero; {len(wrong)} of {len(h)} are not, the first is {int(wrong[0])}"
        )
    return seen


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a seed's networks learn from and are scored on: pictures, float32 [N, pixels].

    Attributes:
        twin: of the twin, on streets to learn from.
        generic: of the other site's twin.
        real: of reality, on streets to learn from.
        seen: other places of reality on the same streets.
        held_out: places of reality on streets that no sample is from.
    """

    twin: torch.Tensor
    generic: torch.Tensor
    real: torch.Tensor
    seen: torch.Tensor
    held_out: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Counts:
    """So many pictures each.

    Args:
        twin: of the twin, and of the other site's.
        real: of reality to choose from.
        scored: of reality to score on, on either kind of streets.
    """

    twin: int = 5120
    real: int = 10240
    scored: int = 1024


def draw(site: Site, elsewhere: Site, counts: Counts, seed: int) -> Data:
    """Pictures of the links of one base station, the site's first AP, and of all links of another city.

    Raises:
        ConfigurationError: the other site's pictures have other sizes.
    """
    grid, other = picture_grid(site), picture_grid(elsewhere)
    if other != grid:
        raise ConfigurationError(
            f"elsewhere must be a site with channels as those of {site.recipe.name!r}, {grid}; "
            f"{elsewhere.recipe.name!r} has {other}"
        )
    generator = torch.Generator(site.device).manual_seed(seed)

    def of(atlas: Atlas, held_out: bool, count: int) -> torch.Tensor:
        return pictures(ChannelSampler(site, atlas, held_out, ACCESS_POINT)(count, generator), grid)

    twin, reality = site.twin("twin"), site.reality("reality")
    return Data(
        twin=of(twin, False, counts.twin),
        generic=pictures(ChannelSampler(elsewhere, elsewhere.twin("twin"), False)(counts.twin, generator), grid),
        real=of(reality, False, counts.real),
        seen=of(reality, False, counts.scored),
        held_out=of(reality, True, counts.scored),
    )
