"""What a link delivers at each SINR, looked up instead of computed."""

from __future__ import annotations

import torch

from twin_envs.base.units import db_to_linear
from twin_envs.csi.link import Link

_STEP_DB = 0.25


class GoodputTable:
    """Bits per resource element that a link delivers with the best MCS, tabled by quarter decibels of SINR.

    Args:
        link: whose.
        device: where the table lies.
        low_db, high_db: SINRs that the table holds, both included; beyond, the nearest counts.
    """

    def __init__(self, link: Link, device: torch.device, *, low_db: float, high_db: float) -> None:
        self._low_db = low_db
        sinr_db = torch.arange(low_db, high_db + _STEP_DB, _STEP_DB, device=device)
        self._bits = link.goodput(db_to_linear(sinr_db)[:, None]).amax(-1)

    def __call__(self, sinr_db: torch.Tensor) -> torch.Tensor:
        """The goodput at each SINR, float32 of the shape of `sinr_db`."""
        index = ((sinr_db - self._low_db) / _STEP_DB).round_().clamp_(0, len(self._bits) - 1)
        return self._bits[index.long()]
