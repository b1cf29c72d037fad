"""The CsiNet that comes with a site."""

from __future__ import annotations

import shlex

import torch

from twin_envs.base.errors import SiteError
from twin_envs.base.files import as_text
from twin_envs.csi.codecs.csinet.network import CsiNet
from twin_envs.csi.codecs.csinet.weights import load_codec
from twin_envs.world.store.site import Site, kept_by_site

_FILE = "codec-csinet.safetensors"


@kept_by_site
def from_site(site: Site, device: torch.device) -> CsiNet:
    """The network of a site, ready to report; read once, for it never changes.

    Raises:
        SiteError: the site has none, or the file is damaged.
    """
    if _FILE not in site.manifest["files"]:
        command = f"twin-envs codec train {shlex.quote(as_text(site.asked_for))} --seed 0"
        raise SiteError(f"site {site.path.name!r} has no codec yet; train one with `{command}`")
    site.tensors(_FILE)  # checks the file's hash
    return load_codec(site.path / _FILE, device)
