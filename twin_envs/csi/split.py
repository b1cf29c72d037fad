"""Which links of a site are kept from training: what a codec is scored on must be streets that it has never seen."""

from __future__ import annotations

import torch

from twin_envs.world.atlas.atlas import Atlas

_BANDS = 8
_HELD_OUT_BAND = 5


def held_out_links(atlas: Atlas) -> torch.Tensor:
    """A band of the site with all the streets in it, and everything that one AP serves anywhere, bool [APs, points].

    The band is the sixth eighth of the points' extent from west to east, the AP the one in the middle of the list.
    Where there is only one AP it is not held out.
    """
    x = atlas.geometry.point_m[:, 0]
    share = (x - x.min()) / (x.max() - x.min()).clamp_min(1e-9)
    kept = (torch.floor(share * _BANDS) == _HELD_OUT_BAND).repeat(len(atlas.gain), 1)
    if len(kept) > 1:
        kept[len(kept) // 2] = True
    return kept
