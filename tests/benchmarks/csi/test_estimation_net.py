"""The study that makes the network of the estimators `twin-net` and `paths-net`."""

import dataclasses
import hashlib
import json

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi.estimation_net import study
from twin_envs.benchmarks.csi.estimation_net.study import Plan
from twin_envs.csi.estimation_net.network import PathsNetwork
from twin_envs.csi.estimation_net.weights import STORED

TINY = Plan(worlds=1, links=8, scored_links=16, legs=2, steps=2)


def run(folder, name="study"):
    benchmark.main(
        study="estimation-net", quick=True, seed=3, site="munich", device="cpu", run=folder / "run",
        json_path=folder / f"{name}.json",
    )  # fmt: skip
    return json.loads((folder / f"{name}.json").read_text())["figures"]


def test_an_interrupted_study_goes_on_from_its_last_leg_and_comes_to_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "QUICK", TINY)
    monkeypatch.setattr(study, "SPACINGS", (1, 4))
    monkeypatch.setattr(study, "SCORED", ((1, 0.0), (4, 20.0)))
    figures = run(tmp_path)
    weights = tmp_path / "run" / STORED.file.name
    assert figures["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert not torch.equal(STORED.load(weights).last.weight, PathsNetwork(3).last.weight)
    assert len(figures["losses_db"]) == TINY.legs
    for by_time in figures["nmse_db"].values():
        assert by_time["before"][0] < 0
        assert by_time["before"] != by_time["after"]
    for kept in ("leg-1.safetensors", "leg-1.seal.json", "scores.json"):
        (tmp_path / "run" / kept).unlink()
    assert run(tmp_path, "again") == figures
    monkeypatch.setattr(study, "QUICK", dataclasses.replace(TINY, links=9))
    with pytest.raises(ConfigurationError, match="holds a run with links = 8, and this one has 9"):
        run(tmp_path)
