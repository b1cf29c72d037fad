"""Who serves a UE and what it measures, when its APs have been scored."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Admission(NamedTuple):
    """What a decision comes to in N networks.

    Fields:
        serving: which AP serves which UE from now on, bool [N, U, A].
        probing: which APs the UE measures besides, bool [N, A].
        added: APs that serve the UE from now on and did not before, bool [N, A].
    """

    serving: torch.Tensor
    probing: torch.Tensor
    added: torch.Tensor


def admit(
    scores: torch.Tensor,
    ue: torch.Tensor,
    serving: torch.Tensor,
    held: torch.Tensor,
    *,
    cluster_size: int,
    probed_aps: int,
    ap_load: int,
) -> Admission:
    """The best-scored APs that have room serve the UE, and the next best with a positive score are measured only.

    An AP that serves `ap_load` other UEs has room for one that scores it higher than one of them did, and drops the
    UE that scored it lowest. Of equal scores the AP with the lower number is first, and of equal claims the older.

    Args:
        scores: of the APs, float32 [N, A].
        ue: whose they are, int64 [N].
        serving: which AP serves which UE so far, bool [N, U, A].
        held: scores by which they do, float32 [N, U, A].
        cluster_size: APs for the UE.
        probed_aps: most APs to be measured only.
        ap_load: most UEs of an AP.
    """
    row = torch.arange(len(scores), device=scores.device)
    before = serving[row, ue]
    others = serving.clone()
    others[row, ue] = False
    claim = torch.where(others, held, torch.inf)
    weakest = claim.amin(1)
    number = torch.arange(others.shape[1], device=scores.device)[:, None]
    weakest_ue = torch.where(claim == weakest[:, None], number, 0).amax(1)  # of equal claims the higher number goes
    full = others.sum(1) >= ap_load
    room = ~full | (scores > weakest)
    order = torch.where(room, scores, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    chosen = torch.zeros_like(before).scatter(1, order[:, :cluster_size], True) & room
    dropped = torch.zeros_like(others).scatter(1, weakest_ue[:, None], (chosen & full)[:, None])
    after = others & ~dropped
    after[row, ue] = chosen
    left = torch.where(chosen, -torch.inf, scores)
    order = left.argsort(dim=-1, descending=True, stable=True)
    probing = torch.zeros_like(chosen).scatter(1, order[:, :probed_aps], True) & (left > 0)
    return Admission(serving=after, probing=probing, added=chosen & ~before)
