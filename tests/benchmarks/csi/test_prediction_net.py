"""The study that makes the network of `twin-net` and `paths-net`."""

import dataclasses
import hashlib
import json

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi.drawn_worlds import gapped
from twin_envs.benchmarks.csi.prediction_net import study
from twin_envs.benchmarks.csi.prediction_net.study import Plan
from twin_envs.csi.prediction.net.network import LinesNetwork
from twin_envs.csi.prediction.net.weights import STORED
from twin_envs.world.store.site import load_site

TINY = Plan(worlds=1, scored_worlds=1, links=12, steps=2)


def run(folder):
    benchmark.main(
        study="prediction-net", quick=True, seed=3, site="munich", device="cpu", run=folder / "run",
        json_path=folder / "study.json",
    )  # fmt: skip
    return json.loads((folder / "study.json").read_text())["figures"]


def test_the_study_keeps_weights_that_load_and_goes_on_with_what_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "QUICK", TINY)
    monkeypatch.setattr(study, "REPORTS", (((20, 2),),))
    monkeypatch.setattr(study, "SCORED", (20, 2))
    figures = run(tmp_path)
    weights = tmp_path / "run" / STORED.file.name
    assert figures["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    learnt, new = STORED.load(weights), LinesNetwork(3)
    assert not torch.equal(learnt.last.weight, new.last.weight)
    assert len(figures["losses"]) == TINY.steps
    for by_name in figures["correlation"].values():
        assert list(by_name) == ["twin-paths", "paths-net", "twin-net"]
        for similar in by_name.values():
            assert 1 >= similar[0] > similar[-1] > 0
    assert run(tmp_path) == figures
    monkeypatch.setattr(study, "QUICK", dataclasses.replace(TINY, links=13))
    with pytest.raises(ConfigurationError, match="holds a run with links = 12, and this one has 13"):
        run(tmp_path)


def test_a_drawn_world_is_not_its_twin():
    site = load_site("munich")
    twin, one, same, other = (
        site.twin("twin"),
        *(gapped(site, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)),
    )
    assert torch.equal(one.gain, same.gain)
    heard = (twin.gain > 0) & (one.gain > 0) & (other.gain > 0)
    for a, b in ((twin, one), (one, other)):
        change_db = 10 * (a.gain[heard] / b.gain[heard]).log10()
        assert 1 < float(change_db.std()) < 20


def test_a_site_without_what_walls_scatter_is_refused_with_the_command_that_traces_it():
    with pytest.raises(ConfigurationError, match=r"'munich-28ghz' has not; trace it with: twin-envs site scatter"):
        gapped(load_site("munich-28ghz"), torch.Generator())
