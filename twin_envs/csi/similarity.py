"""How alike two channels are."""

from __future__ import annotations

import torch

from twin_envs.base.units import squared_magnitude

_TINY = torch.finfo(torch.float32).tiny


def squared_cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared cosine similarity over the last dimension of complex [..., A], 0 where either is zero."""
    inner = squared_magnitude((a.conj() * b).sum(-1))
    return inner / (squared_magnitude(a).sum(-1) * squared_magnitude(b).sum(-1)).clamp_min(_TINY)
