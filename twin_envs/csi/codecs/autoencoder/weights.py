"""Codec weights on disk: one safetensors file whose header says what they are and how they were made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.base.files import write_files
from twin_envs.base.settings import lasting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.autoencoder.network import Autoencoder, AutoencoderConfiguration
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.site import Site

METADATA_KEYS = ("command", "data_sha256", "seed", "site", "carrier_hz", "array")
"""What a header must say of how the weights were made, and what for (see `made_for`)."""
N = TypeVar("N", bound=Autoencoder)


def pack_codec(codec: Autoencoder, metadata: Mapping[str, str]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors (matrices and kernels in float16) and header of a weight file.

    Args:
        codec: the network.
        metadata: `METADATA_KEYS` and whatever else is worth knowing.

    Raises:
        ConfigurationError: one of `METADATA_KEYS` is missing.
    """
    for key in METADATA_KEYS:
        if key not in metadata:
            raise ConfigurationError(f"metadata must have {', '.join(METADATA_KEYS)}; {key} is missing")
    architecture = json.dumps({"name": codec.architecture, **dataclasses.asdict(codec.configuration)}, sort_keys=True)
    tensors = {
        name: value.detach().cpu().contiguous().to(torch.float16 if value.dim() > 1 else torch.float32)
        for name, value in codec.state_dict().items()
    }
    return tensors, {**metadata, "architecture": architecture}


def save_codec(codec: Autoencoder, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a weight file (see `pack_codec`); an older file is replaced at once or not at all."""
    write_files({path: save(*pack_codec(codec, metadata))})


@lasting()
def load_codec(path: Path, network: type[N], device: torch.device | str, site: Site | None = None) -> N:
    """A codec from a file that `save_codec` wrote, ready to report.

    Args:
        path: the file.
        network: of which it should hold the weights.
        device: where it computes.
        site: for which it should have been made, if any.

    Raises:
        SiteError: the file is missing or damaged, of another architecture, of sizes that this version does not know, or
            for another site, carrier or array.
    """
    metadata, tensors = _read(path)
    configuration = _configuration(path, metadata, network)
    if site is not None:
        _check_made_for(path, metadata, configuration, site)
    codec = network(configuration, seed=0)
    expected = {name: value.shape for name, value in codec.state_dict().items()}
    found = {name: value.shape for name, value in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            shapes = [tuple(s[name]) if name in s else "none" for s in (expected, found)]
            raise _unusable(path, f"tensor {name!r} should have shape {shapes[0]}, has {shapes[1]}", metadata)
        if not tensors[name].isfinite().all():
            raise _unusable(path, f"tensor {name!r} holds values that are not finite", metadata)
    codec.load_state_dict({name: value.float() for name, value in tensors.items()})
    return codec.to(device).eval().requires_grad_(False)


def read_metadata(path: Path) -> dict[str, str]:
    """What the header of a weight file says: `METADATA_KEYS`, the architecture and what else was saved.

    Raises:
        SiteError: the file is missing or damaged.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except FileNotFoundError:
        raise _unusable(path, "there is no such file", {}) from None
    except (SafetensorError, OSError, ValueError) as error:
        raise _unusable(path, f"it cannot be read ({error})", {}) from error
    for key in (*METADATA_KEYS, "architecture"):
        if key not in metadata:
            raise _unusable(path, f"its header lacks {key!r}", metadata)
    return metadata, tensors


def made_for(site: Site) -> dict[str, str]:
    """What the header of weights for a site says of it, some of `METADATA_KEYS`."""
    recipe = site.recipe
    array = json.dumps(dataclasses.asdict(recipe.array), sort_keys=True)
    return {"site": recipe.name, "carrier_hz": str(recipe.carrier_hz), "array": array}


def _check_made_for(path: Path, metadata: dict[str, str], configuration: AutoencoderConfiguration, site: Site) -> None:
    expected: dict[str, Any] = {**made_for(site), "grid": angle_delay_grid(site)}
    found: dict[str, Any] = {**metadata, "grid": configuration.grid}
    same_twin = site.manifest["files"].get(path.name, {}).get("adopted_from")
    for what, is_so in expected.items():
        if found[what] != is_so and not (what == "site" and found[what] == same_twin):
            raise _unusable(path, f"it was made for {what} = {found[what]}, this site has {is_so}", metadata)


def _configuration(path: Path, metadata: dict[str, str], network: type[Autoencoder]) -> AutoencoderConfiguration:
    try:
        fields: dict[str, Any] = json.loads(metadata["architecture"])
        name = fields.pop("name")
        if name != network.architecture:
            raise _unusable(path, f"its architecture is {name!r}, {network.architecture!r} was expected", metadata)
        fields["grid"] = AngleDelayGrid(**fields["grid"])
        fields["codeword_lengths"] = tuple(fields["codeword_lengths"])
        return AutoencoderConfiguration(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unusable(path, f"its architecture is not understood ({error})", metadata) from error


def _unusable(path: Path, reason: str, metadata: dict[str, str]) -> SiteError:
    return SiteError(f"codec {path}: {reason}; train it again with: {metadata.get('command', 'twin-envs codec train')}")
