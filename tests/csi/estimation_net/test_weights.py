"""Weights of the network of the estimators `twin-net` and `paths-net`: those of the package, and what is refused."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.estimation_net.network import PathsNetwork
from twin_envs.csi.estimation_net.weights import COMMAND, FILE, load_network, packaged_network, save_network

RESULT = Path(__file__).parents[3] / "benchmarks" / "results" / "csi-estimation-net.json"


def test_the_package_has_the_weights_of_the_committed_study():
    study = json.loads(RESULT.read_text())
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == study["figures"]["weights_sha256"]
    assert not study["provenance"]["dirty"]
    with safe_open(FILE, framework="pt") as file:
        header = json.loads(file.metadata()["about"])
    assert header["command"] == COMMAND
    assert header["world"] == "twin"
    assert set(json.loads(header["sources"])) == {"world-twin.safetensors", "scattering-twin.safetensors"}
    assert FILE.stat().st_size < 2**16


def test_what_is_saved_is_what_is_loaded(tmp_path):
    network = PathsNetwork(seed=1)
    save_network(network, tmp_path / "weights", {"seed": "1"})
    loaded = load_network(tmp_path / "weights")
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert packaged_network() is packaged_network()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda tensors: tensors.pop("last.bias"), r"tensor 'last.bias' should have shape \(5,\), has none"),
        (lambda tensors: tensors.update({"last.bias": torch.zeros(3)}), r"should have shape \(5,\), has \(3,\)"),
        (lambda tensors: tensors["last.bias"].fill_(torch.nan), "'last.bias' holds values that are not finite"),
    ],
)
def test_weights_of_another_make_are_refused(tmp_path, damage, said):
    with safe_open(FILE, framework="pt") as file:
        header = file.metadata()
    tensors = load_file(FILE)
    damage(tensors)
    save_file(tensors, tmp_path / "weights", header)
    with pytest.raises(ConfigurationError, match=said):
        load_network(tmp_path / "weights")


def test_a_file_that_is_none_or_of_another_architecture_is_refused(tmp_path):
    (tmp_path / "cut").write_bytes(FILE.read_bytes()[:1000])
    save_file(load_file(FILE), tmp_path / "other", {"about": json.dumps({"architecture": {"name": "paths-0"}})})
    for name, said in (("missing", "cannot be read"), ("cut", "cannot be read"), ("other", "it is of .*paths-0")):
        with pytest.raises(ConfigurationError, match=said) as refused:
            load_network(tmp_path / name)
        assert COMMAND in str(refused.value)
