"""The codecs that an environment may have, by the option `codec`.

A codec is called with a site and a device, and gives a `Codec`; `csinet` is the network that comes with the site.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from twin_envs.base.registry import Registry
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.world.store.site import Site

codecs: Registry[Callable[[Site, torch.device], Codec]] = Registry(
    "codec", "twin_envs.codecs", csinet="twin_envs.csi.codecs.csinet.packaged:from_site"
)
