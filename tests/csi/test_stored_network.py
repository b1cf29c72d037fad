"""Networks whose weights come with the package: those are of the committed studies, and what is refused."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.path_net.weights import STORED as PRIOR
from twin_envs.csi.estimation_net.weights import STORED as PATHS
from twin_envs.csi.prediction.net.weights import STORED as LINES

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
STORED = {"csi-path-net": PRIOR, "csi-prediction-net": LINES, "csi-estimation-net": PATHS}
"""By the study that makes the weights."""
MOST_BYTES = {PRIOR: 2**20, LINES: 2**16, PATHS: 2**16}
TRACED = {"world-twin.safetensors", "scattering-twin.safetensors"}
"""What worlds are drawn of that the other two have learnt in."""
TENSORS = {PRIOR: ("row", (2, 1, 4, 34)), LINES: ("last.bias", (2,)), PATHS: ("last.bias", (5,))}
"""A tensor of each, and its shape."""
OTHERS = {
    PRIOR: ({"formats": []}, r"made for reports of \[\], this version"),
    LINES: ({"architecture": {"name": "lines-0"}}, "it is of .*lines-0"),
    PATHS: ({"architecture": {"name": "paths-0"}}, "it is of .*paths-0"),
}
"""What a header says that is not for this version, and how that is told."""
stored_networks = pytest.mark.parametrize("stored", STORED.values(), ids=STORED)


def header(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@pytest.mark.parametrize(("study", "stored"), STORED.items(), ids=STORED)
def test_the_package_has_the_weights_of_the_committed_study(study, stored):
    told = json.loads((RESULTS / f"{study}.json").read_text())
    assert hashlib.sha256(stored.file.read_bytes()).hexdigest() == told["figures"]["weights_sha256"]
    assert not told["provenance"]["dirty"]
    about = json.loads(header(stored.file)["about"])
    assert about["command"] == stored.command
    assert about["world"] == "twin"
    if stored is not PRIOR:
        assert set(json.loads(about["sources"])) == TRACED
    assert stored.file.stat().st_size < MOST_BYTES[stored]


@stored_networks
def test_what_is_saved_is_what_is_loaded(stored, tmp_path):
    network = stored.make(seed=1)
    stored.save(network, tmp_path / "weights", {"seed": "1"})
    loaded = stored.load(tmp_path / "weights")
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert stored.packaged is stored.packaged


@stored_networks
def test_weights_of_another_make_are_refused(stored, tmp_path):
    name, shape = TENSORS[stored]
    wrongs = {
        f"tensor '{name}' should have shape {shape}, has none": None,
        f"tensor '{name}' should have shape {shape}, has (7,)": torch.zeros(7),
        f"tensor '{name}' holds values that are not finite": torch.full(shape, torch.nan),
    }
    for said, wrong in wrongs.items():
        tensors = {**load_file(stored.file), name: wrong}
        if wrong is None:
            del tensors[name]
        save_file(tensors, tmp_path / "weights", header(stored.file))
        with pytest.raises(ConfigurationError) as refused:
            stored.load(tmp_path / "weights")
        assert said in str(refused.value)


@stored_networks
def test_a_file_that_is_none_or_made_for_something_else_is_refused(stored, tmp_path):
    about, otherwise = OTHERS[stored]
    (tmp_path / "cut").write_bytes(stored.file.read_bytes()[:1000])
    save_file(load_file(stored.file), tmp_path / "other", {"about": json.dumps(about)})
    for name, said in (("missing", "cannot be read"), ("cut", "cannot be read"), ("other", otherwise)):
        with pytest.raises(ConfigurationError, match=said) as refused:
            stored.load(tmp_path / name)
        assert stored.command in str(refused.value)
