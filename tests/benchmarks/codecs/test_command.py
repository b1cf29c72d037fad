"""The comparison of codecs: what it counts and what it tells."""

import json

from twin_envs.benchmarks.codecs import __main__ as benchmark
from twin_envs.benchmarks.codecs import again, costs, noisy
from twin_envs.csi.codecs.autoencoder.packaged import NETWORKS
from twin_envs.csi.codecs.registry import codecs


def test_every_codec_is_scored_in_both_worlds_or_refused_with_a_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "QUICK_CHANNELS", 48)
    monkeypatch.setattr(costs, "ROUNDS", 1)
    monkeypatch.setattr(noisy, "SNRS_DB", (0,))
    monkeypatch.setattr(again, "MOVED_M", {"walker": 0.014})
    path = tmp_path / "codecs.json"
    benchmark.main(quick=True, seed=3, site="munich", device="cpu", json_path=path)
    document = json.loads(path.read_text())
    assert document.keys() == {"benchmark", "provenance", "figures"}
    assert document["provenance"]["seed"] == 3
    figures = document["figures"]
    assert [name for name in figures["codecs"] if "," not in name] == codecs.names()
    aided = ("klt-twin", "path-twin", "path-net-twin")
    arms = {f"{name}, {arm}" for name in aided for arm in ("4 m", "wrong place")}
    assert {name for name in figures["codecs"] if "," in name} == arms
    for name, about in figures["codecs"].items():
        assert about["twin"] == name.startswith(aided)
        assert (about["downlink_bits"] > 0) == name.startswith(("path-twin", "path-net-twin"))
        if "," not in name:
            assert about["costs"]["cpu_ms"] > 0
            assert about["costs"]["gpu_ms"] is None
            assert about["costs"]["multiply_adds"] > 0
            assert (about["costs"]["parameters"] > 1e5) == (name in NETWORKS)
    near, wrong = (
        figures["codecs"][name]["reports"]["62"]["reality"] for name in ("path-twin", "path-twin, wrong place")
    )
    assert near["bits"] < wrong["bits"]
    assert near["sgcs"] > wrong["sgcs"]
    assert not figures["refused"]
    for name, about in figures["codecs"].items():
        assert about["bound"] == (name == "uncompressed")
        for length, report in about["reports"].items():
            assert report["bits"] == int(length) + 7
            for world in ("twin", "reality"):
                assert report[world].keys() == {"sgcs", "nmse_db", "nmse_by_block_db", "bits", "rate", "streets", "ap"}
                parts = [report[world][where]["sgcs"] for where in ("streets", "ap")]
                assert min(parts) - 1e-6 <= report[world]["sgcs"] <= max(parts) + 1e-6
                assert 0.3 < report[world]["sgcs"] <= 1.0001
                assert about["bound"] or report[world]["bits"] <= report["bits"]
                assert (report[world]["nmse_db"] is None) == about["bound"]
    csinet = figures["codecs"]["csinet"]["reports"]["512"]
    assert csinet["reality"]["sgcs"] < csinet["twin"]["sgcs"]
    best = figures["codecs"]["path"]["reports"]["329"]["reality"]["rate"]
    assert csinet["reality"]["rate"] < best < figures["codecs"]["uncompressed"]["reports"]["64"]["reality"]["rate"]
    assert figures["noisy"]["cell"]["estimate"] > 0.95 > figures["noisy"]["0"]["estimate"]
    for row in figures["again"]["walker"].values():
        assert row["last"]["bits"] < row["nothing"]["bits"]
        assert row["shorter"]["bits"] <= min(row["twin"]["bits"], row["last"]["bits"]) + 1
    assert figures["claims"]["best_without_twin"] == "path-net"
    printed = capsys.readouterr().out
    assert "a bound" in printed


def test_codecs_that_do_not_work_at_a_site_say_why(monkeypatch, tmp_path):
    path = tmp_path / "codecs.json"
    monkeypatch.setattr(benchmark, "codecs", {name: codecs.get(name) for name in ("csinet", "type1")})
    benchmark.main(quick=True, seed=0, site="munich-28ghz", device="cpu", json_path=path)
    refused = json.loads(path.read_text())["figures"]["refused"]
    assert "codec train" in refused["csinet"]
    assert "this site has 4 x 16" in refused["type1"]
