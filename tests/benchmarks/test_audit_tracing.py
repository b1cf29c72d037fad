"""What the audit finds by tracing anew, on few links; and what it makes of paths, which needs no ray tracer."""

import dataclasses
import math

import numpy as np
import pytest

from twin_envs.benchmarks.audit import off_grid, richness
from twin_envs.benchmarks.audit.traces import Links, channels, traced
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.building.survey import surveyed_clutter
from twin_envs.world.store.site import load_site


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def clutter(site):
    return surveyed_clutter(site.recipe)


@pytest.fixture(scope="module")
def links(site):
    """Eight links of one AP, in two groups."""
    found = richness.served(site, 2 * richness.TOGETHER, seed=9)
    return Links(ap=found.ap[:8], place_m=found.place_m[:8])


@pytest.fixture(scope="module")
def traces(site, clutter, links):
    """The links with the paths that the site keeps, and with many more."""
    world = site.recipe.worlds["reality"]
    rich = dataclasses.replace(world, max_paths=200, dynamic_range_db=60.0)
    return {14: traced(site, world, clutter, links), 200: traced(site, rich, clutter, links)}


def test_two_paths_of_one_strength_cancel_where_they_are_half_a_turn_apart(site):
    fields = empty_paths(1, 3)  # the third place is unused
    fields["gain"][0, :2], fields["length_m"][0, :2] = 1e-4, [100.0, 100.0 + 300 * site.recipe.wavelength_m]
    apart_s = 300 / site.recipe.carrier_hz
    offset_hz = np.array([0.0, 0.25, 0.5, 1.0]) / apart_s
    for absolute in (True, False):
        h = channels(TracedPaths(**fields), np.zeros((1, 1, 3)), site, offset_hz, absolute=absolute)[0, :, 0]
        np.testing.assert_allclose(np.abs(h), 1e-4 * np.array([2, math.sqrt(2), 0, 2]), atol=1e-9)
    np.testing.assert_allclose(h[0], h[-1], atol=1e-9)  # a whole turn, and the first path is on time


def test_an_order_that_more_paths_turn_round_is_counted():
    noise = np.random.default_rng(1).normal(0, 0.1, (4, 40))
    few = {"a": 1 + noise[0], "b": 2 + noise[1], "c": 2 + noise[2], "d": 3 + noise[3]}
    more = {"a": 4 + noise[0], "b": 2 + noise[1], "c": 2 + noise[2], "d": 3 + noise[3]}
    found = richness.conclusions({14: few, 28: few, 64: more}, 14, seed=0)
    assert found["pairs"] == 6
    assert 5 <= found["told_apart"] <= 6  # b and c are alike
    assert found["reversed"] == {"28": 0, "64": 3}


def test_served_links_are_held_out_and_strong(site):
    found, atlas = richness.served(site, 4, seed=3), site.reality("reality")
    cells = np.array([np.flatnonzero((site.geometry.point_m.numpy() == place).all(1))[0] for place in found.place_m])
    assert (atlas.gain[found.ap, cells] >= 0.5 * atlas.gain[:, cells].amax(0)).all()
    assert np.unique(np.column_stack([found.ap, cells]), axis=0).shape == (len(found.ap), 2)
    assert len(found.ap) % 4 == 0


@pytest.mark.rt
def test_the_atlas_is_right_on_its_grid_and_a_fault_in_it_shows(site, clutter, links, monkeypatch):
    found = off_grid.compared(site, "reality", clutter, links)
    assert found["links"] == 8
    assert found["one_sided"] == 0
    assert found["nmse_db"] < -40
    assert found["squared_correlation"] > 0.9999
    paths = Atlas.paths
    monkeypatch.setattr(Atlas, "paths", lambda self, place, ap: paths(self, place + 0.02, ap))
    wrong = off_grid.compared(site, "reality", clutter, links)
    assert wrong["nmse_db"] > -10  # two centimetres are a quarter of a wavelength
    assert wrong["squared_correlation"] < 0.9999


@pytest.mark.rt
def test_more_paths_have_the_same_power_and_are_harder_to_code(site, links, traces):
    few, many = traces.values()
    assert (few.gain != 0).sum(1).max() == 14
    assert (many.gain != 0).sum(1).mean() > 60
    # Weak paths are taken to lose in tree crowns what the others lose in the mean.
    few_db, many_db = (10 * np.log10((np.abs(paths.gain) ** 2).sum(1)) for paths in (few, many))
    np.testing.assert_allclose(few_db, many_db, atol=0.5)
    sparse, rich = (richness.scored(site, links, paths, seed=2) for paths in (few, many))
    assert set(sparse) == {"sgcs", "rate", "autocorrelation"}
    for name, scores in sparse["sgcs"].items():
        assert ((scores > 0) & (scores <= 1 + 1e-6)).all()
        assert rich["sgcs"][name].mean() < scores.mean() + 0.01
    assert rich["sgcs"]["path, 336 bit"].mean() < sparse["sgcs"]["path, 336 bit"].mean()
    for by in (sparse, rich):
        assert len(by["rate"]["perfect"]) == 2
        for name, rate in by["rate"].items():
            assert name == "perfect" or (rate < by["rate"]["perfect"]).all()


@pytest.mark.rt
def test_links_keep_their_order_whatever_the_access_points(site, clutter, links, traces):
    mixed = Links(ap=np.array([5, links.ap[0], 5]), place_m=links.place_m[[1, 0, 1]])
    paths = traced(site, site.recipe.worlds["reality"], clutter, mixed)
    for field in dataclasses.fields(paths):
        mine, alone = getattr(paths, field.name), getattr(traces[14], field.name)
        np.testing.assert_allclose(mine[1], alone[0], atol=1e-6)
        np.testing.assert_allclose(mine[0], mine[2], atol=1e-12)


@pytest.mark.rt
def test_crossed_antennas_receive_less(site, clutter, links):
    found = richness.of_polarisation(site, links, clutter)
    assert found["cross_power_db"] < -3
    assert 0 < found["sgcs"] < 1
    assert found["gain_difference_db"] > 0
