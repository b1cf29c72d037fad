import json
import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.suite.provenance import provenance, write_result


def test_result_says_where_it_comes_from(tmp_path):
    path = tmp_path / "new" / "result.json"
    origin = provenance({"quick": True}, seed=3, device=torch.device("cpu"))
    write_result(path, "decisions", {"x": {"mean": 1.5}}, origin)
    read = json.loads(path.read_text())
    assert read == {"benchmark": "decisions", "provenance": origin, "figures": {"x": {"mean": 1.5}}}
    assert read["provenance"]["seed"] == 3
    version = read["provenance"]["versions"]["torch"]
    assert version.partition("+")[0] == torch.__version__.partition("+")[0]  # the build need not be named
    assert set(origin) == {"commit", "dirty", "versions", "device", "threads", "malloc", "seed", "arguments"}
    assert origin["commit"] is None or len(origin["commit"]) == 40


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_figures_that_are_not_finite_are_refused(tmp_path, figure):
    path = tmp_path / "result.json"
    with pytest.raises(ConfigurationError, match="finite"):
        write_result(path, "decisions", {"x": [1.0, {"y": figure}]}, {})
    assert not path.exists()
