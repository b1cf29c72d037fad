"""The weights of the network that comes with the package."""

from __future__ import annotations

from pathlib import Path

from twin_envs.csi.estimation_net.network import FEATURES, HIDDEN, PathsNetwork
from twin_envs.csi.stored_network import StoredNetwork

STORED = StoredNetwork(
    file=Path(__file__).with_name("weights.safetensors"),
    make=PathsNetwork,
    made_for={"architecture": {"name": "paths-1", "features": FEATURES, "hidden": HIDDEN}},
    said="it is of",
    command="python -m benchmarks.csi --study estimation-net",
)
