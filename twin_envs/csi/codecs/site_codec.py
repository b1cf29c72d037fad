"""The codec of an environment, and what the network knows of its errors."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import check_choice
from twin_envs.base.files import as_text
from twin_envs.base.settings import lasting
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.protocol import Codec, complete
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.codecs.told import AT_THE_UE
from twin_envs.world.store.site import Site, kept_by_site

CODEC_FILE = "codec-{name}.safetensors"
"""The file of a site that holds the weights of a codec."""
_SCORED = 256
"""Channels on which a codec is tried that comes without scores."""


@dataclass(frozen=True, kw_only=True)
class SiteCodec(Constant):
    """A codec and what is known of it from the twin.

    Attributes:
        codec: ready to report.
        lengths: codeword lengths, int64 [L].
        nmse_by_length: normalised mean square error in the twin with the best phase in each block, which is what
            reaches a precoder, linear, float32 [L].
    """

    codec: Codec
    lengths: torch.Tensor
    nmse_by_length: torch.Tensor

    def nmse(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Error that the network expects of codewords of `codeword_bits` [N], float32 [N]."""
        return self.nmse_by_length[torch.searchsorted(self.lengths, codeword_bits)]


def codec_names(site: Site) -> list[str]:
    """Names of the codecs that come with a site."""
    return [codec_name(file) for file in codec_files(site.manifest)]


def codec_name(file: str) -> str:
    """Name of the codec whose weights are in a file of a site."""
    before, after = CODEC_FILE.split("{name}")
    return file.removeprefix(before).removesuffix(after)


def codec_files(manifest: Mapping[str, Any]) -> list[str]:
    """The files of codecs that a site's manifest lists."""
    before, after = CODEC_FILE.split("{name}")
    return [file for file in manifest["files"] if file.startswith(before) and file.endswith(after)]


@lasting()
def load_site_codec(name: str, site: Site, device: torch.device, world: str = "twin") -> SiteCodec:
    """The codec `name` for a site, ready to report.

    How well it does in the twin is in the manifest of the site for a codec that comes with it. Another one reports
    channels of the twin world `world`, and what it makes of them is compared: once, if the codec never changes.

    Args:
        name: see `twin_envs.codecs`.
        site: the site.
        device: where it computes.
        world: the twin world that the network knows.

    Raises:
        SiteError: the site has no such codec, or the file is damaged.
        ConfigurationError: there is no codec of this name, or it is none.
    """
    codec = complete(codecs.get(name)(site, device), name, angle_delay_grid(site), device)
    file = CODEC_FILE.format(name=name)
    if file in site.manifest["files"]:
        scores = {int(bits): score for bits, score in site.manifest["files"][file]["scores"]["twin"].items()}
    else:
        check_choice("twin", world, site.twins)
        scored = _scored_once if isinstance(codec, Constant) and isinstance(codec, Hashable) else _scored
        scores = scored(site, codec, device, world)
    lengths = sorted(scores)
    return SiteCodec(
        codec=codec,
        lengths=torch.tensor(lengths, device=device),
        nmse_by_length=torch.tensor([10 ** (scores[bits]["nmse_by_block_db"] / 10) for bits in lengths], device=device),
    )


def _scored(site: Site, codec: Codec, device: torch.device, world: str) -> dict[int, dict[str, float]]:
    from twin_envs.csi.training.training import evaluate_codec

    generator = torch.Generator(device).manual_seed(0)
    links = ChannelSampler(site, site.twin(world), held_out=True).links(_SCORED, generator)
    return evaluate_codec(codec, links.h, AT_THE_UE(codec, site, world, links, generator))


_scored_once = kept_by_site(_scored)


DEFAULT_CODEC = "csinet"
"""The codec that is trained where none is named."""


def training_command(site: str, *, codec: str, seed: int = 0, steps: int | None = None) -> str:
    """The command that trains a codec for a site with so many steps; None for the default number."""
    which = "" if codec == DEFAULT_CODEC else f" --codec {codec}"
    shown = "" if steps is None else f" --steps {steps}"
    return f"twin-envs codec train {shlex.quote(as_text(site))}{which} --seed {seed}{shown}"
