"""Returns that come with the package: they are those of the present environments, and of nothing else."""

import dataclasses

import numpy as np
import pytest
from ids import ENVIRONMENTS

import twin_envs
from twin_envs.agents.core.stored import read_returns, stored_returns
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.world.store.site import load_site

STORED = read_returns()
ENV = "twin_envs/FeedbackInterval-v1"


def evaluation(**changes):
    """An evaluation of the first three seeds, the last one first."""
    stored = STORED[ENV]
    told = {"env": ENV, "options": {}, "site": stored.site, "seeds": np.array(stored.seeds[2::-1])}
    return twin_envs.Evaluation(**{**told, "returns": np.array(stored.policies["best-fixed"][2::-1]) + 1, **changes})


def test_every_environment_has_returns_of_the_first_evaluation_seeds():
    assert set(STORED) == {twin_envs.specification(name).id for name in ENVIRONMENTS}
    for stored in STORED.values():
        assert list(stored.seeds) == list(evaluation_seeds(0, len(stored.seeds)))
        assert {"random", "best-fixed"} <= set(stored.policies)
        for returns in stored.policies.values():
            assert len(returns) == len(stored.seeds)
            assert np.isfinite(returns).all()


def test_stored_returns_are_those_of_playing():
    played = twin_envs.evaluate(lambda seen: [6] * len(seen), ENV, seeds=2)  # every 40 slots
    assert played.returns == pytest.approx(STORED[ENV].policies["best-fixed"][:2], abs=1e-4)
    assert played.site == STORED[ENV].site == load_site("munich").manifest["digest"]
    assert played.against("best-fixed")["mean"] == pytest.approx(0.0, abs=1e-4)


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
    stored = STORED[ENV]
    found = stored_returns("random", env=ENV, site=stored.site, options={}, seeds=np.array(stored.seeds[::-1]))
    assert found.tolist() == list(stored.policies["random"][::-1])
