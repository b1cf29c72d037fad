"""The study that makes the network of `path-net`."""

import hashlib
import json

import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi import path_net
from twin_envs.csi.codecs.path_net.formats import FORMATS
from twin_envs.csi.codecs.path_net.weights import STORED


def test_the_study_keeps_weights_that_load_and_counts_what_they_save(tmp_path, monkeypatch):
    monkeypatch.setattr(path_net, "SITES", {"munich-cellfree": 2})

    def run(seed=3):
        benchmark.main(
            study="path-net", quick=True, seed=seed, site="munich-cellfree", device="cpu", run=tmp_path / "run",
            json_path=tmp_path / "study.json",
        )  # fmt: skip
        return json.loads((tmp_path / "study.json").read_text())["figures"]

    figures = run()
    weights = tmp_path / "run" / STORED.file.name
    assert figures["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert STORED.load(weights).falls.sum() > 0
    assert len(figures["losses"]) == figures["passes"] == 1
    by_paths = figures["bits"]["munich-cellfree"]
    assert list(by_paths) == [str(said.paths) for said in FORMATS]
    for bits in by_paths.values():
        assert bits["told"] < bits["untold"]
        assert bits["told"] < bits["even"]
    assert run() == figures  # goes on with what is finished
    with pytest.raises(ConfigurationError, match="holds a run with seed = 3"):
        run(seed=4)
