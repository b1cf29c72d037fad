"""The weights of the network that comes with the package: one safetensors file whose header says how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.base.settings import lasting
from twin_envs.csi.prediction.net.candidates import KINDS, UNFORESEEN
from twin_envs.csi.prediction.net.network import HIDDEN, LinesNetwork

FILE = Path(__file__).with_name("weights.safetensors")
COMMAND = "python -m benchmarks.csi --study prediction-net"
"""What makes the weights."""
ARCHITECTURE = {"name": "lines-1", "hidden": HIDDEN, "kinds": KINDS, "unforeseen": UNFORESEEN}
"""All that weights must have been made for."""
_ABOUT = "about"
"""The one key of the header: several would be in no certain order, and the file's hash be another each time."""


def save_network(network: LinesNetwork, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the weights of a network, and what is worth knowing of how they were made."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    about = {**metadata, "command": COMMAND, "architecture": ARCHITECTURE}
    write_files({path: save(tensors, {_ABOUT: json.dumps(about, sort_keys=True)})})


@lasting()
def load_network(path: Path) -> LinesNetwork:
    """A network from a file that `save_network` wrote.

    Raises:
        ConfigurationError: the file is missing or damaged, or of another architecture.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise _unusable(path, f"it cannot be read ({error})") from error
    if metadata.get("architecture") != ARCHITECTURE:
        raise _unusable(path, f"it is of {metadata.get('architecture')}, this version has {ARCHITECTURE}")
    network = LinesNetwork()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            shapes = (expected.get(name, "none"), found.get(name, "none"))
            raise _unusable(path, f"tensor {name!r} should have shape {shapes[0]}, has {shapes[1]}")
        if not tensors[name].isfinite().all():
            raise _unusable(path, f"tensor {name!r} holds values that are not finite")
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def packaged_network() -> LinesNetwork:
    """The network that comes with the package."""
    return load_network(FILE)


def _unusable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"weights {path}: {reason}; make them again with: {COMMAND}")
