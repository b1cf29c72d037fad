"""Which link a core uses."""

from __future__ import annotations

import torch

from twin_envs.csi.link import Link, NrLink, ShannonLink
from twin_envs.envs.core.configuration import EnvironmentConfig

TRANSPORT_BLOCKS = 5
"""Transport blocks of which each evaluation of the link draws the fate, for each UE."""


def make_link(config: EnvironmentConfig, device: torch.device) -> Link:
    """The link that `config.link` names, its tables on `device`."""
    if config.link == "nr":
        return NrLink(bler_target=config.bler_target, device=device)
    return ShannonLink()
