"""The networks that come with a site, each in a file of its own."""

from __future__ import annotations

import torch

from twin_envs.base.errors import SiteError
from twin_envs.csi.codecs.autoencoder.network import Autoencoder
from twin_envs.csi.codecs.autoencoder.weights import load_codec
from twin_envs.csi.codecs.csinet.network import CsiNet
from twin_envs.csi.codecs.csinet_plus.network import CsiNetPlus
from twin_envs.csi.codecs.site_codec import CODEC_FILE, training_command
from twin_envs.csi.codecs.transformer.network import Transformer
from twin_envs.world.store.site import Site, kept_by_site

NETWORKS: dict[str, type[Autoencoder]] = {"csinet": CsiNet, "csinet-plus": CsiNetPlus, "transformer": Transformer}
"""By the name of the codec."""


def csinet(site: Site, device: torch.device) -> Autoencoder:
    """The codec `csinet` of a site (see `packaged`)."""
    return packaged(site, device, "csinet")


def csinet_plus(site: Site, device: torch.device) -> Autoencoder:
    """The codec `csinet-plus` of a site (see `packaged`)."""
    return packaged(site, device, "csinet-plus")


def transformer(site: Site, device: torch.device) -> Autoencoder:
    """The codec `transformer` of a site (see `packaged`)."""
    return packaged(site, device, "transformer")


@kept_by_site
def packaged(site: Site, device: torch.device, name: str) -> Autoencoder:
    """The network of a site, ready to report; read once, for it never changes.

    Args:
        site: the site.
        device: where it computes.
        name: one of `NETWORKS`.

    Raises:
        SiteError: the site has none, or the file is damaged or made for something else.
    """
    file = CODEC_FILE.format(name=name)
    if file not in site.manifest["files"]:
        command = training_command(site.asked_for, codec=name)
        raise SiteError(f"site {site.path.name!r} has no codec {name!r} yet; train one with `{command}`")
    site.tensors(file)  # checks the file's hash
    return load_codec(site.path / file, NETWORKS[name], device, site)
