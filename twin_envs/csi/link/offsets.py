"""Outer-loop offsets by the age of CSI."""

from __future__ import annotations

import torch

from twin_envs.csi.link.protocol import Link


def learn_by_age(
    link: Link, offset_db: torch.Tensor, band: torch.Tensor, acknowledged: torch.Tensor, blocks: torch.Tensor
) -> torch.Tensor:
    """The outer loop's offsets for K ranges of CSI ages after a UE was served with CSI of one of them.

    The offset of that range takes the loop's step. Older CSI deserves no more trust than younger: ranges of older
    CSI are raised to the new offset, ranges of younger lowered to it. So what a UE learns at one age it need not lose
    blocks for again at the next.

    That matters, for an outer loop holds its target only on average over its whole climb: over n blocks the share that
    is lost exceeds the target by (last offset - first offset) / (n (step up + step down)).

    Args:
        link: whose loop it is.
        offset_db: never falling with the age, float32 [..., K].
        band: range of the CSI's age, int64 [...].
        acknowledged: share of the blocks that were decoded at first, float32 [...].
        blocks: how many there were, broadcasts against [...]; 0 where none was sent.

    Returns:
        float32 [..., K], never falling with the age.
    """
    before = offset_db.gather(-1, band[..., None])
    after = link.outer_loop(before[..., 0], acknowledged, blocks)[..., None]
    age = torch.arange(offset_db.shape[-1], device=offset_db.device)
    others = torch.where(age < band[..., None], offset_db.minimum(after), offset_db.maximum(after))
    return torch.where(age == band[..., None], after, others)
