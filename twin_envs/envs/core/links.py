"""Which link a core uses."""

from __future__ import annotations

import torch

from twin_envs.csi.link import Link, NrLink, ShannonLink
from twin_envs.envs.core.configuration import EnvironmentConfig

OUTER_LOOP_STEP_DB = 0.15
"""What a lost block adds to the outer loop's offset: small, since all blocks since the last evaluation count."""
BLOCKS = 5
"""Transport blocks of which each evaluation of the link draws the fate, for each UE."""


def make_link(config: EnvironmentConfig, device: torch.device) -> Link:
    """The link that `config.link` names, its tables on `device`."""
    if config.link == "nr":
        return NrLink(bler_target=config.bler_target, step_up_db=OUTER_LOOP_STEP_DB, device=device)
    return ShannonLink()
