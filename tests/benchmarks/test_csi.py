"""Studies of CSI networks with the twin: what they count and what they tell."""

import json

import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi import estimation, prediction
from twin_envs.csi.prediction.registry import predictors


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    path = tmp_path_factory.mktemp("csi") / "estimation.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimation, "QUICK_LINKS", 60)
        patch.setattr(estimation, "SNRS_DB", (-10, 0, 10, 20))
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
    placed = [f"{name}-{how}" for name in ("lmmse", "twin-net") for how in ("1m", "3m", "10m", "elsewhere")]
    assert list(at_10_db) == [
        "ls", "lmmse-mean", "pursuit", "paths-net", *placed, "true-profile", "true-covariance"
    ]  # fmt: skip
    assert at_10_db["ls"] == pytest.approx(-10, abs=0.1)  # the noise itself
    ranking = ["true-covariance", "twin-net-1m", "pursuit", "lmmse-1m", "lmmse-mean", "ls"]
    assert sorted(ranking, key=at_10_db.get) == ranking
    assert at_10_db["lmmse-1m"] < at_10_db["lmmse-10m"]


def test_the_place_helps_a_network_where_pilots_leave_delays_open_and_hardly_hurts_it_where_they_do_not(figures):
    dense, sparse = (figures["nmse_db"][spacing] for spacing in ("1", "4"))
    noisy = figures["snrs_db"].index(0)
    assert all(
        placed < plain - 1
        for placed, plain in zip(sparse["twin-net-1m"][noisy:], sparse["paths-net"][noisy:], strict=True)
    )
    assert all(
        wrong < plain + 0.5 for wrong, plain in zip(dense["twin-net-elsewhere"], dense["paths-net"], strict=True)
    )


def test_pilots_that_a_known_place_saves(figures):
    saved = figures["pilots_saved"]
    assert 0 < saved["lmmse-1m"]["1"]["lmmse-mean"] < saved["lmmse-1m"]["1"]["ls"] < 1
    assert saved["lmmse-10m"]["1"]["lmmse-mean"] < saved["lmmse-1m"]["1"]["lmmse-mean"]
    assert saved["twin-net-1m"]["1"]["pursuit"] > 0.4
    assert 0 < saved["twin-net-1m"]["1"]["paths-net"] < 0.2
    behind = figures["behind_true_covariance_db"]["1"]
    assert 1 < behind["twin-net-1m"] < behind["pursuit"] < behind["lmmse-1m"]


def test_another_study_is_refused():
    with pytest.raises(ConfigurationError, match="study must be one of"):
        benchmark.main(study="guessing", site="munich", device="cpu")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """Figures of the study of prediction, of few links and episodes."""
    path = tmp_path_factory.mktemp("csi") / "prediction.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction, "SEEDS", 2)
        patch.setattr(prediction, "QUICK_LINKS", 40)
        patch.setattr(prediction, "ALONE_STDS_M", (1.0, 10.0))
        patch.setattr(prediction, "QUICK_EPISODES", 3)
        patch.setattr(prediction, "QUICK_SLOTS", 200)
        patch.setattr(prediction, "QUICK_CELLS", {"20": ("FeedbackInterval", 20, (("uncompressed", 512),))})
        benchmark.main(study="prediction", quick=True, seed=1, site="munich", device="cpu", json_path=path)
    return json.loads(path.read_text())["figures"]


def test_reports_age_and_a_twin_keeps_them_longer(lasting):
    for who, by_codec in lasting["correlation"].items():
        for apart, by_name in by_codec["none"].items():
            assert set(by_name) == set(prediction.PREDICTORS)
            for name in ("hold", "hold-aged"):
                # The older a report, the less it says on average while it is good; later, few links tell little.
                young = by_name[name]["correlation"][: lasting["ages_slots"].index(15)]
                assert young == sorted(young, reverse=True), (who, apart, name)
    for who, by_codec in lasting["lasts_slots"].items():
        for apart, lasts in by_codec["none"].items():
            assert min(lasts["twin-paths"], lasts["twin-net"]) > 1.4 * max(lasts["hold"], lasts["wiener"])
            ratio = lasting["longer"][who]["none"][apart]
            best = max(lasts["hold"], lasts["wiener"], lasts["paths-net"])
            assert ratio["together"] == pytest.approx(max(lasts["twin-paths"], lasts["twin-net"]) / best)
            assert ratio["together"] > 1
            assert ratio["se"] > 0


def test_a_twin_that_is_asked_about_another_place_is_worth_nothing(lasting):
    for who, lasts in lasting["elsewhere"].items():
        held = lasting["lasts_slots"][who]["none"]["50"]
        assert lasts < 0.8 * max(held["twin-paths"], held["twin-net"])
        assert lasts < 1.2 * max(held["hold"], held["paths-net"])


def test_a_twin_alone_carries_less_the_less_the_place_is_known(lasting):
    for by_error in lasting["twin_alone"].values():
        near, far = by_error["1"], by_error["10"]
        assert 1 > near["similarity"] > far["similarity"] > 0
        assert 1 > near["rate_share"] > far["rate_share"] > 0


@pytest.mark.parametrize("name", ["twin-paths", "twin-net"])
def test_what_a_predictor_expects_is_about_what_comes(lasting, name):
    found = lasting["correlation"]["walking"]["none"]["20"][name]
    for age, correlation, expected in zip(lasting["ages_slots"], found["correlation"], found["expected"], strict=True):
        assert abs(correlation - expected) < 0.02 + 0.5 * (1 - correlation), age


def test_age_costs_a_cell_more_than_anything_else(lasting):
    rows = lasting["cell"]["20"]
    assert rows["ageless"] > 1.3 * max(row["return"] for by in rows["codecs"].values() for row in by.values())
    assert all(by["hold"]["gain"] == 0 for by in rows["codecs"].values())
    assert "ageless" not in predictors
