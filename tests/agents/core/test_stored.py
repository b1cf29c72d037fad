"""Returns that come with the package: they are those of the present environments, and of nothing else."""

import dataclasses
import json

import numpy as np
import pytest

import twin_envs
from twin_envs.agents.core import stored as module
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.stored import StoredReturns, read_returns, stored_returns
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.benchmarks import returns as benchmark
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.registry import specifications
from twin_envs.world.store.site import load_site

ENV = "twin_envs/FeedbackInterval-v1"
STORED = StoredReturns(
    env=ENV,
    site="5" * 64,
    seeds=list(evaluation_seeds(0, 4)),
    policies={"random": [1.0, 2.0, 4.0, 8.0], "best-fixed": [3.0, 5.0, 9.0, 17.0], "doppler": [4.0, 4.0, 8.0, 16.0]},
)


@pytest.fixture(autouse=True)
def stored(monkeypatch):
    """`STORED` comes with the package."""
    monkeypatch.setattr(module, "read_returns", lambda: {ENV: STORED})


def evaluation(**changes):
    """An evaluation of the first three seeds, the last one first."""
    told = {"env": ENV, "options": {}, "site": STORED.site, "seeds": np.array(STORED.seeds[2::-1])}
    return twin_envs.Evaluation(**{**told, "returns": np.array(STORED.policies["best-fixed"][2::-1]) + 1, **changes})


def test_what_comes_with_the_package_is_of_present_environments():
    ids = {about.id for about in specifications()}
    assert len(read_returns()) >= 7
    for env, found in read_returns().items():
        assert env in ids
        assert list(found.seeds) == list(evaluation_seeds(0, len(found.seeds)))
        assert {"random", "best-fixed"} <= set(found.policies)
        for returns in found.policies.values():
            assert len(returns) == len(found.seeds)
            assert np.isfinite(returns).all()


def test_what_comes_with_the_package_is_of_the_present_dynamics():
    found = read_returns()[ENV]
    result = json.loads((benchmark.RESULTS / "decisions-FeedbackInterval.json").read_text(encoding="utf-8"))
    chosen = result["figures"]["FeedbackInterval"]["chosen"]["best-fixed"]["choice"]
    period = REPORT_PERIODS_SLOTS.index(int(chosen.removeprefix("fixed-")))
    again = twin_envs.evaluate(lambda seen: [period] * len(seen), ENV, seeds=list(found.seeds[:2])).returns
    np.testing.assert_allclose(again, found.policies["best-fixed"][:2], rtol=1e-3)


def test_returns_that_are_collected_are_those_of_playing(monkeypatch):
    only = Contenders(fixed={"fixed-40": FixedPolicy(6)}, tuned={}, ready={})
    monkeypatch.setattr(benchmark, "contenders", lambda env, envs: only)
    small = {"num_ue": 2, "episode_slots": 200}
    make = benchmark.make_envs
    monkeypatch.setattr(benchmark, "make_envs", lambda env, num_envs: make(env, num_envs, **small))  # the defaults
    found = benchmark.collect(ENV, {"best-fixed": {"choice": "fixed-40"}}, 2, False, lambda what, share: None)
    played = twin_envs.evaluate(lambda seen: [6] * len(seen), ENV, seeds=2, options=small)
    assert found.policies["best-fixed"] == pytest.approx(played.returns, abs=1e-4)
    assert found.site == played.site == load_site("munich").manifest["digest"]
    assert set(found.policies) == {"random", "best-fixed"}


@pytest.mark.parametrize("version", ["v0", None])
def test_results_of_another_version_are_left_out_and_what_was_stored_of_it_is_dropped(tmp_path, capsys, version):
    told = {key: value for key, value in dataclasses.asdict(STORED).items() if key != "env"}
    path = tmp_path / "returns.json"
    path.write_text(json.dumps({"twin_envs/FeedbackInterval-v0": told, "twin_envs/PilotDensity-v1": told}))
    figures = {"chosen": {}} if version is None else {"env": f"twin_envs/FeedbackInterval-{version}", "chosen": {}}
    result = {"figures": {"FeedbackInterval": figures}}
    (tmp_path / "decisions-FeedbackInterval.json").write_text(json.dumps(result))
    benchmark.main(env=["FeedbackInterval"], results=tmp_path, path=path)
    assert set(read_returns(path)) == {"twin_envs/PilotDensity-v1"}
    assert ENV in capsys.readouterr().out.partition("left out")[2]


def test_differences_are_paired_by_seed_in_any_order():
    assert evaluation().against("best-fixed") == pytest.approx({"mean": 1.0, "low": 1.0, "high": 1.0})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"env": "twin_envs/FeedbackInterval-v7"}, "env must be one of which returns are stored"),
        ({"options": {"num_ue": 3}}, "stored for the default options"),
        ({"site": "0" * 64}, "the site that is used has 000000000000"),
        ({"seeds": np.array([1_000_000, 1_000_001, 2])}, r"seeds must be among those .* got 2;"),
    ],
)
def test_what_nothing_is_stored_of_is_refused(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        evaluation(**changes).against("best-fixed")


def test_where_nothing_is_stored_at_all_that_is_said(monkeypatch):
    monkeypatch.setattr(module, "read_returns", dict)
    with pytest.raises(ConfigurationError, match="no returns are stored in this version; play them by evaluate"):
        evaluation().against("best-fixed")


def test_a_policy_of_which_nothing_is_stored_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'doppler'"):
        evaluation().against("dopler")


def test_evaluations_on_different_files_of_a_site_are_not_compared():
    mine = evaluation()
    with pytest.raises(ConfigurationError, match="site of both evaluations must be equal"):
        mine.against(dataclasses.replace(mine, site="other"))


def test_stored_returns_are_in_the_order_of_the_seeds():
    seeds = np.array(STORED.seeds[::-1])
    found = stored_returns("random", env=ENV, site=STORED.site, options={}, seeds=seeds)
    assert found.tolist() == [8.0, 4.0, 2.0, 1.0]
