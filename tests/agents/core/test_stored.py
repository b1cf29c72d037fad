"""Returns that are stored: they are compared by seed, and only with episodes of the same environment and site."""

import dataclasses

import numpy as np
import pytest
from ids import ENVIRONMENTS

import twin_envs
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.core.stored import StoredReturns, read_returns, stored_returns
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import evaluation_seeds

SHIPPED = read_returns()
ENV = "twin_envs/FeedbackInterval-v1"
OURS = StoredReturns(
    env=ENV,
    site="1" * 64,
    seeds=range(1_000_000, 1_000_004),
    policies={"random": [4.0, 1.0, 2.5, 3.0], "best-fixed": [5.0, 2.0, 3.5, 4.5], "doppler": [6.0, 3.0, 3.0, 5.0]},
)


@pytest.fixture(autouse=True)
def _stored(monkeypatch):
    monkeypatch.setattr("twin_envs.agents.core.stored.read_returns", lambda: {ENV: OURS})


def evaluation(**changes):
    """An evaluation of the first three seeds, the last one first."""
    told = {"env": ENV, "options": {}, "site": OURS.site, "seeds": np.array(OURS.seeds[2::-1])}
    return twin_envs.Evaluation(**{**told, "returns": np.array(OURS.policies["best-fixed"][2::-1]) + 1, **changes})


def test_what_comes_with_the_package_is_of_present_environments_and_of_the_first_evaluation_seeds():
    assert set(SHIPPED) <= {twin_envs.specification(name).id for name in ENVIRONMENTS}
    for stored in SHIPPED.values():
        assert list(stored.seeds) == list(evaluation_seeds(0, len(stored.seeds)))
        assert {"random", "best-fixed"} <= set(stored.policies)
        for returns in stored.policies.values():
            assert len(returns) == len(stored.seeds)
            assert np.isfinite(returns).all()


@pytest.mark.parametrize("env", SHIPPED)
def test_what_comes_with_the_package_is_what_playing_earns(env):
    played = twin_envs.evaluate(RandomPolicy(0), env, seeds=len(SHIPPED[env].seeds))
    assert played.returns == pytest.approx(SHIPPED[env].policies["random"], abs=1e-4)
    assert played.site == SHIPPED[env].site


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


def test_a_policy_of_which_nothing_is_stored_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'doppler'"):
        evaluation().against("dopler")


def test_evaluations_on_different_files_of_a_site_are_not_compared():
    mine = evaluation()
    with pytest.raises(ConfigurationError, match="site of both evaluations must be equal"):
        mine.against(dataclasses.replace(mine, site="other"))


def test_stored_returns_are_in_the_order_of_the_seeds():
    found = stored_returns("random", env=ENV, site=OURS.site, options={}, seeds=np.array(OURS.seeds[::-1]))
    assert found.tolist() == [3.0, 2.5, 1.0, 4.0]


def test_before_the_first_comparison_it_is_said_that_nothing_is_stored(monkeypatch):
    monkeypatch.setattr("twin_envs.agents.core.stored.read_returns", dict)
    with pytest.raises(ConfigurationError, match="no returns are stored in this version; play them by evaluate"):
        evaluation().against("best-fixed")
