"""The packaged site and its codec."""

import pytest
import torch
from packaged_codec import CODEC_FILE

from twin_envs.csi.codecs.site_codec import load_site_codec
from twin_envs.world.store.site import load_site


@pytest.fixture(scope="session")
def site():
    """The packaged site."""
    return load_site("munich")


@pytest.fixture(scope="session")
def site_codec(site):
    """Its codec, with the errors that the manifest tells."""
    return load_site_codec("csinet", site, torch.device("cpu"))


@pytest.fixture(scope="session")
def codec_entry(site):
    """What the manifest says of the codec."""
    return site.manifest["files"][CODEC_FILE]
