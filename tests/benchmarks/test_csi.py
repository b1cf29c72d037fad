"""Studies of CSI networks with the twin: what they count and what they tell."""

import json

import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi import estimation


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    path = tmp_path_factory.mktemp("csi") / "estimation.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimation, "QUICK_LINKS", 160)
        benchmark.main(study="estimation", quick=True, seed=3, site="munich", device="cpu", json_path=path)
    document = json.loads(path.read_text())
    assert document["provenance"]["arguments"]["study"] == "estimation"
    return document["figures"]


def test_estimates_get_better_with_less_noise_more_pilots_and_more_knowledge(figures):
    errors = figures["nmse_db"]
    for name in errors["1"]:
        for spacing in ("1", "2"):
            assert errors[spacing][name] == sorted(errors[spacing][name], reverse=True)
        if name == "ls":  # where noise is all, it is the same
            continue
        assert all(dense < sparse for dense, sparse in zip(errors["1"][name], errors["2"][name], strict=True))
    at_10_db = {name: by_snr[figures["snrs_db"].index(10)] for name, by_snr in errors["1"].items()}
    assert list(at_10_db) == [
        "ls", "lmmse-mean", "lmmse-1m", "lmmse-3m", "lmmse-10m", "true-profile", "true-covariance"
    ]  # fmt: skip
    assert at_10_db["ls"] == pytest.approx(-10, abs=0.1)  # the noise itself
    ranking = ["true-covariance", "true-profile", "lmmse-1m", "lmmse-mean", "ls"]
    assert sorted(ranking, key=at_10_db.get) == ranking
    assert at_10_db["lmmse-1m"] < at_10_db["lmmse-10m"]


def test_pilots_that_a_known_place_saves(figures):
    saved = figures["pilots_saved"]
    assert 0 < saved["lmmse-1m"]["1"]["lmmse-mean"] < saved["lmmse-1m"]["1"]["ls"] < 1
    assert saved["lmmse-10m"]["1"]["lmmse-mean"] < saved["lmmse-1m"]["1"]["lmmse-mean"]


def test_another_study_is_refused():
    with pytest.raises(ConfigurationError, match="study must be one of"):
        benchmark.main(study="guessing", site="munich", device="cpu")
