"""Which links of a site are kept from training: what a codec is scored on must be streets that it has never seen.

A split says of each link of an atlas, AP by grid point, whether it is held out: bool [APs, points].
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from twin_envs.world.atlas.atlas import Atlas

Split = Callable[[Atlas], torch.Tensor]
_TILE_M = 12.0
_TILES = 8
"""One tile in so many is held out."""
_BANDS = 8
_HELD_OUT_BAND = 5


def tiles(atlas: Atlas) -> torch.Tensor:
    """One square of 12 m in eight, all over the site. Its neighbours, 12 m away, are trained on: a mild test."""
    tile = torch.floor(atlas.geometry.point_m[:, :2] / _TILE_M).long()
    kept = (tile[:, 0] * 31 + tile[:, 1] * 17) % _TILES == 0
    return kept.expand(len(atlas.gain), -1)


def street_blocks(atlas: Atlas) -> torch.Tensor:
    """A band of the site with all the streets in it, and everything that one AP serves anywhere.

    The band is the sixth eighth of the points' extent from west to east, the AP the one in the middle of the list.
    Where there is only one AP it is not held out.
    """
    x = atlas.geometry.point_m[:, 0]
    share = (x - x.min()) / (x.max() - x.min()).clamp_min(1e-9)
    kept = (torch.floor(share * _BANDS) == _HELD_OUT_BAND).repeat(len(atlas.gain), 1)
    if len(kept) > 1:
        kept[len(kept) // 2] = True
    return kept
