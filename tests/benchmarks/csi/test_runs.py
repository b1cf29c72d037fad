"""Pieces of a study: made once, read after that, refused where they are damaged or of another setting."""

import pytest
import torch
from damage import flip_bit

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi.runs import Run

SETTING = {"site": "munich", "carrier_hz": 3.5e9, "array": {"rows": 2, "columns": 16}, "samples": (10, 40)}


def never():
    raise AssertionError("a finished piece is made again")


def weights():
    return {"weight": torch.arange(600.0).view(20, 30), "index": torch.tensor([3, 1])}


def test_a_finished_piece_is_read_as_it_was_made(tmp_path):
    figures = Run(tmp_path, SETTING).piece("seed-0/real-10", lambda: {"error_db": -12.3456789012345, "steps": 7})
    assert Run(tmp_path, SETTING).piece("seed-0/real-10", never) == figures
    assert figures == {"error_db": -12.3456789012345, "steps": 7}


def test_finished_tensors_are_read_as_they_were_made(tmp_path):
    Run(tmp_path, SETTING).tensors("seed-0/net", weights)
    found = Run(tmp_path, SETTING).tensors("seed-0/net", never)
    assert found.keys() == weights().keys()
    assert all(torch.equal(found[name], value) for name, value in weights().items())


def test_what_stops_while_a_piece_is_made_leaves_nothing_of_it(tmp_path):
    def stopped():
        raise KeyboardInterrupt

    run = Run(tmp_path, SETTING)
    for make in (run.piece, run.tensors):
        with pytest.raises(KeyboardInterrupt):
            make("real-10", stopped)
    assert run.piece("real-10", lambda: {"error_db": 1.0}) == {"error_db": 1.0}
    assert torch.equal(run.tensors("real-10", weights)["index"], torch.tensor([3, 1]))


@pytest.mark.parametrize(
    ("field", "value"),
    [("site", "florence"), ("carrier_hz", 28e9), ("array", {"rows": 4, "columns": 16}), ("samples", (10, 80))],
)
def test_pieces_of_another_setting_are_refused(tmp_path, field, value):
    Run(tmp_path, SETTING).tensors("net", weights)
    with pytest.raises(ConfigurationError) as refused:
        Run(tmp_path, {**SETTING, field: value})
    for told in (field, str(SETTING[field])[1:-1], str(value)[1:-1], "--run"):
        assert told in str(refused.value).replace("[", "(").replace("]", ")")


@pytest.mark.parametrize("file", ["setting.json", "real-10.json", "net.safetensors", "net.seal.json"])
@pytest.mark.parametrize("damage", [flip_bit, lambda path: path.write_bytes(path.read_bytes()[:40])])
def test_what_is_damaged_is_refused_by_name(tmp_path, file, damage):
    def read():
        run = Run(tmp_path, SETTING)
        run.piece("real-10", lambda: {"error_db": -1.25})
        run.tensors("net", weights)

    read()
    damage(tmp_path / file)
    with pytest.raises(ConfigurationError, match=f"{file} is damaged .*; remove it"):
        read()


def test_weights_of_another_run_are_refused(tmp_path):
    Run(tmp_path / "one", SETTING).tensors("net", weights)
    Run(tmp_path / "other", SETTING).tensors("net", lambda: {"weight": torch.zeros(20, 30)})
    (tmp_path / "one" / "net.safetensors").replace(tmp_path / "other" / "net.safetensors")
    with pytest.raises(ConfigurationError, match=r"net.safetensors is damaged \(its sha256 should be"):
        Run(tmp_path / "other", SETTING).tensors("net", never)


def test_weights_that_are_gone_are_told(tmp_path):
    run = Run(tmp_path, SETTING)
    run.tensors("net", weights)
    (tmp_path / "net.safetensors").unlink()
    with pytest.raises(ConfigurationError, match=r"net.safetensors is damaged"):
        run.tensors("net", never)


def test_figures_that_are_not_finite_are_not_kept(tmp_path):
    run = Run(tmp_path, SETTING)
    with pytest.raises(ConfigurationError, match="'real-10' must be finite"):
        run.piece("real-10", lambda: {"error_db": float("nan")})
    assert run.piece("real-10", lambda: {"error_db": 0.0}) == {"error_db": 0.0}
