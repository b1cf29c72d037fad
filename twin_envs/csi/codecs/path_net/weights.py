"""The weights of the network that comes with the package: one safetensors file whose header says how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from twin_envs.base.settings import lasting
from twin_envs.csi.codecs.path_net.formats import FORMATS
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.stored_network import read_network, write_network

FILE = Path(__file__).with_name("weights.safetensors")
COMMAND = "python -m benchmarks.csi --study path-net"
"""What makes the weights."""


def architecture() -> list[dict[str, int]]:
    """All that weights must have been made for: the formats of reports."""
    return [asdict(said) for said in FORMATS]


def save_network(network: PriorNetwork, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the weights of a network, and what is worth knowing of how they were made."""
    write_network(network, path, {**metadata, "command": COMMAND, "formats": architecture()})


@lasting()
def load_network(path: Path) -> PriorNetwork:
    """A network from a file that `save_network` wrote.

    Raises:
        ConfigurationError: the file is missing or damaged, of another architecture, or for other formats.
    """
    return read_network(path, PriorNetwork(), {"formats": architecture()}, "it was made for reports of", COMMAND)


@lru_cache(maxsize=1)
def packaged_network() -> PriorNetwork:
    """The network that comes with the package."""
    return load_network(FILE)
