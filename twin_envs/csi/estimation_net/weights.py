"""The weights of the network that comes with the package: one safetensors file whose header says how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from twin_envs.base.settings import lasting
from twin_envs.csi.estimation_net.network import FEATURES, HIDDEN, PathsNetwork
from twin_envs.csi.stored_network import read_network, write_network

FILE = Path(__file__).with_name("weights.safetensors")
COMMAND = "python -m benchmarks.csi --study estimation-net"
"""What makes the weights."""
ARCHITECTURE = {"name": "paths-1", "features": FEATURES, "hidden": HIDDEN}
"""All that weights must have been made for."""


def save_network(network: PathsNetwork, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the weights of a network, and what is worth knowing of how they were made."""
    write_network(network, path, {**metadata, "command": COMMAND, "architecture": ARCHITECTURE})


@lasting()
def load_network(path: Path) -> PathsNetwork:
    """A network from a file that `save_network` wrote.

    Raises:
        ConfigurationError: the file is missing or damaged, or of another architecture.
    """
    return read_network(path, PathsNetwork(), {"architecture": ARCHITECTURE}, "it is of", COMMAND)


@lru_cache(maxsize=1)
def packaged_network() -> PathsNetwork:
    """The network that comes with the package."""
    return load_network(FILE)
