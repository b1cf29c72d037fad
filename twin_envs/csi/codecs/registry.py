"""The codecs that an environment may have, by the option `codec`.

A codec is called with a site and a device, and gives a `Codec`:

* `csinet`, `csinet-plus`, `transformer`: the networks that come with the site;
* `klt`: principal components of the twin's channels, with scalar quantisers;
* `klt-twin`: the same reports, read by the base station with what the twin expects at the sensed position;
* `type1`, `etype2`: codebooks of NR, for arrays that NR has a panel for;
* `etype2-copolar`: what enhanced Type II would be for arrays of one polarisation;
* `path`: the strongest paths, each by delay, beam and gain;
* `path-twin`: the same, arithmetically coded with what the twin expects at the sensed position;
* `path-net`: the strongest paths, placed the finer the stronger, coded with probabilities that a network has learnt;
* `path-net-twin`: the same, with what the twin expects at the sensed position;
* `uncompressed`: no codec but a bound, the estimate itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from twin_envs.base.registry import Registry
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.world.store.site import Site

codecs: Registry[Callable[[Site, torch.device], Codec]] = Registry(
    "codec",
    "twin_envs.codecs",
    takes=("site", "device"),
    csinet="twin_envs.csi.codecs.autoencoder.packaged:csinet",
    type1="twin_envs.csi.codecs.type1.codebook:from_site",
    etype2="twin_envs.csi.codecs.etype2.codebook:from_site",
    **{"etype2-copolar": "twin_envs.csi.codecs.etype2.codebook:copolar_from_site"},
    **{"csinet-plus": "twin_envs.csi.codecs.autoencoder.packaged:csinet_plus"},
    transformer="twin_envs.csi.codecs.autoencoder.packaged:transformer",
    klt="twin_envs.csi.codecs.klt.codec:from_site",
    **{"klt-twin": "twin_envs.csi.codecs.klt_twin.codec:from_site"},
    path="twin_envs.csi.codecs.path.codec:from_site",
    **{"path-twin": "twin_envs.csi.codecs.path_twin.codec:from_site"},
    **{"path-net": "twin_envs.csi.codecs.path_net.codec:from_site"},
    **{"path-net-twin": "twin_envs.csi.codecs.path_net_twin.codec:from_site"},
    uncompressed="twin_envs.csi.codecs.uncompressed.codec:from_site",
)
"""Codecs by name, those of other packages among them."""
