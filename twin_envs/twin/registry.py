"""The channel twins that an environment may have, by the option `channel_twin`.

A channel twin is called with a site, the name of one of its twin worlds and a device, and gives a `ChannelTwin`. What
more it can do is found out by the `Protocol`s of `twin_envs.twin.protocol`; who needs a capability asks for it by
`require`, and a twin that lacks it is refused when the environment is made.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from twin_envs.base.registry import Registry
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.world.store.site import Site

channel_twins: Registry[Callable[[Site, str, torch.device], ChannelTwin]] = Registry(
    "channel_twin",
    "twin_envs.channel_twins",
    takes=("site", "world", "device"),
    **{
        "traced": "twin_envs.twin.traced:traced_twin",
        "residual": "twin_envs.twin.residual:residual_twin",
        "calibrated": "twin_envs.twin.calibration.twin:calibrated_twin",
        "path-loss": "twin_envs.twin.interpolated.twin:path_loss_twin",
        "inverse-distance": "twin_envs.twin.interpolated.twin:inverse_distance_twin",
        "kriging": "twin_envs.twin.interpolated.twin:kriging_twin",
        "neural-coordinates": "twin_envs.twin.neural.coordinates:coordinates_twin",
        "neural-synthetic": "twin_envs.twin.neural.twin:synthetic_twin",
        "neural": "twin_envs.twin.neural.twin:neural_twin",
        "federated": "twin_envs.twin.federated.twin:federated_twin",
        "semantic": "twin_envs.twin.semantic.twin:semantic_twin",
    },
)
"""Channel twins by name, those of other packages among them. Each is made from a site, a twin world and a device."""
