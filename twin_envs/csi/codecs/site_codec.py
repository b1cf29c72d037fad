"""The codecs that come with a site, in the site's folder, ready to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import SiteError, check_choice
from twin_envs.base.settings import lasting
from twin_envs.csi.codecs.csinet.weights import load_codec
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.site import Site

CODEC_FILE = "codec-{name}.safetensors"
"""The file of a site that holds the weights of a codec."""


@dataclass(frozen=True, kw_only=True)
class SiteCodec(Constant):
    """A codec and what is known of it from the twin.

    Attributes:
        codec: ready to report.
        lengths: codeword lengths, int64 [L].
        nmse_by_length: normalised mean square error in the twin, linear, float32 [L].
    """

    codec: Codec
    lengths: torch.Tensor
    nmse_by_length: torch.Tensor

    def nmse(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Error that the network expects of codewords of `codeword_bits` [N], float32 [N]."""
        return self.nmse_by_length[torch.searchsorted(self.lengths, codeword_bits)]


def codec_names(site: Site) -> list[str]:
    """Names of the codecs that come with a site."""
    before, after = CODEC_FILE.split("{name}")
    return [file.removeprefix(before).removesuffix(after) for file in codec_files(site.manifest)]


def codec_files(manifest: Mapping[str, Any]) -> list[str]:
    """The files of codecs that a site's manifest lists."""
    before, after = CODEC_FILE.split("{name}")
    return [file for file in manifest["files"] if file.startswith(before) and file.endswith(after)]


@lasting()
def load_site_codec(name: str, site: Site, device: torch.device) -> SiteCodec:
    """The codec `name` of a site, ready to report.

    Raises:
        SiteError: the site has no codec, or the file is damaged.
        ConfigurationError: the site has codecs, but none of this name.
    """
    names = codec_names(site)
    if not names:
        raise SiteError(
            f"site {site.path.name!r} has no codec yet; train one with `{training_command(site.path.name)}`"
        )
    check_choice("codec", name, names)
    file = CODEC_FILE.format(name=name)
    site.tensors(file)  # checks the file's hash
    scores = site.manifest["files"][file]["scores"]["twin"]
    lengths = sorted(int(bits) for bits in scores)
    nmse = [10 ** (scores[str(bits)]["nmse_db"] / 10) for bits in lengths]
    return SiteCodec(
        codec=load_codec(site.path / file, device),
        lengths=torch.tensor(lengths, device=device),
        nmse_by_length=torch.tensor(nmse, device=device),
    )


def angle_delay_grid(site: Site) -> AngleDelayGrid:
    """Sizes of a channel at this site."""
    recipe = site.recipe
    return AngleDelayGrid(
        blocks=recipe.csi_blocks,
        rows=recipe.array.rows,
        columns=recipe.array.columns,
        block_spacing_hz=recipe.block_spacing_hz,
    )


def training_command(name: str, seed: int = 0, steps: int | None = None) -> str:
    """The command that trains a codec with so many steps; None for the default number."""
    shown = "" if steps is None else f" --steps {steps}"
    return f"twin-envs codec train {name} --seed {seed}{shown}"
