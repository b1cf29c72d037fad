"""The knowledge store of a packaged site, and the twins that rest on it, of an access point that was never measured."""

import pytest
import torch

from twin_envs.benchmarks.twins.coverage import judge
from twin_envs.benchmarks.twins.splits import held_out_aps
from twin_envs.twin.registry import channel_twins
from twin_envs.twin.semantic.knowledge_store import TERMS, environment_features
from twin_envs.world.store.site import load_site

LEARNING = ("kriging", "semantic", "residual")


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def told(site):
    """What is told of twins that have never measured a third of the access points."""
    split = held_out_aps(site, 40, 100, 0)
    twins = {name: channel_twins.get(name)(site, "twin", site.device).learning(split.learn) for name in LEARNING}
    return {name: judge(twin, split, site) for name, twin in twins.items()}


def test_the_map_is_read_once(site):
    store = environment_features(site)
    assert environment_features(site) is store
    assert store.terms.shape == (9, len(site.geometry.point_m), len(TERMS))
    assert store.terms.isfinite().all()
    assert store.azimuth_rad.abs().max() <= torch.pi


def test_sight_is_that_of_the_traced_twin(site):
    """The mesh that was traced is the map's: a raster of 1 m misjudges few links."""
    traced = site.twin("twin-los").gain > 0
    seen = environment_features(site).terms[..., TERMS.index("in_sight")] > 0
    assert (seen == traced).float().mean() > 0.98


def test_what_is_hidden_has_terms_and_what_is_in_sight_has_none_of_them(site):
    terms = environment_features(site).terms
    seen = terms[..., TERMS.index("in_sight")] > 0
    assert (terms[seen][:, TERMS.index("hidden_element_db") :] == 0).all()
    assert (terms[~seen][:, TERMS.index("corners")] >= 1).all()
    assert (terms[~seen][:, TERMS.index("obstacles")] >= 1).all()


def test_the_map_tells_of_access_points_that_were_never_measured(told):
    assert told["semantic"]["mae_known_db"] < 0.6 * told["kriging"]["mae_known_db"]
    assert told["semantic"]["mae_db"] < 0.6 * told["kriging"]["mae_db"]


@pytest.mark.parametrize(("name", "most"), [("semantic", 0.15), ("residual", 0.2), ("kriging", 0.4)])
def test_an_access_point_that_was_never_measured_is_not_heard_everywhere(told, name, most):
    assert told[name]["claimed"] < most
    assert told[name]["missed"] < 0.5
