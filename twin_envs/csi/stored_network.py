"""Networks that come with the package: one safetensors file each, whose header says how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.base.settings import lasting

Network = TypeVar("Network", bound=torch.nn.Module)
_ABOUT = "about"
"""The one key of the header: several would be in no certain order, and the file's hash be another each time."""


def write_network(network: torch.nn.Module, path: Path, about: Mapping[str, Any]) -> None:
    """Write the weights of a network, and what is worth knowing of how they were made, as JSON has it."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_files({path: save(tensors, {_ABOUT: json.dumps(about, sort_keys=True)})})


@lasting()
def read_network(path: Path, network: Network, made_for: Mapping[str, Any], said: str, command: str) -> Network:
    """Give a network the weights of a file that `write_network` wrote; it is not trained any more.

    Args:
        path: the file.
        network: of the same architecture.
        made_for: what the header must say, by its key.
        said: how a message begins that says what it says instead, such as "it is of".
        command: makes the weights.

    Raises:
        ConfigurationError: the file is missing or damaged, of another architecture, or made for something else.
    """

    def unusable(reason: str) -> ConfigurationError:
        return ConfigurationError(f"weights {path}: {reason}; make them again with: {command}")

    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise unusable(f"it cannot be read ({error})") from error
    for key, value in made_for.items():
        if about.get(key) != value:
            raise unusable(f"{said} {about.get(key)}, this version has {value}")
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            shapes = (expected.get(name, "none"), found.get(name, "none"))
            raise unusable(f"tensor {name!r} should have shape {shapes[0]}, has {shapes[1]}")
        if not tensors[name].isfinite().all():
            raise unusable(f"tensor {name!r} holds values that are not finite")
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)
