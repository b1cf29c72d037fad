"""The weights of the network that comes with the package."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from twin_envs.csi.codecs.path_net.formats import FORMATS
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.stored_network import StoredNetwork

STORED = StoredNetwork(
    file=Path(__file__).with_name("weights.safetensors"),
    make=PriorNetwork,
    made_for={"formats": [asdict(said) for said in FORMATS]},
    said="it was made for reports of",
    command="python -m benchmarks.csi --study path-net",
)
