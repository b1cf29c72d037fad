"""The weights of the network that comes with the package."""

from __future__ import annotations

from pathlib import Path

from twin_envs.csi.prediction.net.candidates import KINDS, UNFORESEEN
from twin_envs.csi.prediction.net.network import HIDDEN, LinesNetwork
from twin_envs.csi.stored_network import StoredNetwork

STORED = StoredNetwork(
    file=Path(__file__).with_name("weights.safetensors"),
    make=LinesNetwork,
    made_for={"architecture": {"name": "lines-1", "hidden": HIDDEN, "kinds": KINDS, "unforeseen": UNFORESEEN}},
    said="it is of",
    command="python -m benchmarks.csi --study prediction-net",
)
