"""`indoor-factory`: a hall is heard everywhere, has no sky, and spreads delays as TR 38.901 has it."""

import math

import pytest
import torch

from twin_envs.twin.map.element import element_gain_db
from twin_envs.twin.traced import TracedTwin, traced_twin
from twin_envs.world.store.site import load_site


@pytest.fixture(scope="module")
def site():
    return load_site("indoor-factory")


@pytest.fixture(scope="module", params=["reality", "twin"])
def links(request, site):
    """What a world says of all links: static knowledge [A, C, 8] of those that are there, bool [A, C]."""
    if request.param == "twin":
        return traced_twin(site, "twin", site.device).at_points()
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
    return TracedTwin(site.reality("reality"), boresight_rad, site.recipe.array.columns).at_points()


def test_every_access_point_is_heard_nearly_everywhere(links):
    static, there = links
    assert there.float().mean() > 0.99
    in_sight = static[..., 1][there] > 0.5
    assert 0.6 < in_sight.float().mean() < 0.9


def test_delays_spread_as_in_an_indoor_factory(links, site):
    """TR 38.901, table 7.5-6, InF: the median of the delay spread by the hall's volume over its surface."""
    static, there = links
    (length_m, width_m), high_m = site.recipe.hall.size_m, site.recipe.hall.height_m
    surface_m2 = 2 * (length_m * width_m + (length_m + width_m) * high_m)
    over = length_m * width_m * high_m / surface_m2
    in_sight = there & (static[..., 1] > 0.5)
    for kind, median_s in ((in_sight, 10**-9.35 * (26 * over + 14)), (there & ~in_sight, 10**-9.44 * (30 * over + 32))):
        assert float(static[..., 2][kind].median()) == pytest.approx(median_s, rel=0.4)


def test_gains_in_sight_are_those_of_an_indoor_factory_or_some_decibels_more(links, site):
    """TR 38.901, table 7.4.1-1, InF-LOS; the hall of metal has one strong reflection by the ceiling besides."""
    static, there = links
    in_sight = there & (static[..., 1] > 0.5)
    away_m = (site.geometry.point_m - site.geometry.ap_position_m[:, None]).norm(dim=-1)
    expected_db = -(31.84 + 21.5 * away_m.log10() + 19 * math.log10(site.recipe.carrier_hz / 1e9))
    off_db = static[..., 0] - element_gain_db(site.recipe, site.geometry.point_m) - expected_db
    assert 0 < float(off_db[in_sight].median()) < 8


def test_ues_walk_and_drive_in_the_hall_and_machines_are_in_their_way(site):
    x0, y0, x1, y1 = site.recipe.area_m
    points = site.routes.points[..., :2]
    assert ((points >= torch.tensor([x0, y0])) & (points <= torch.tensor([x1, y1]))).all()
    assert (site.height_m > 1.0).float().mean() > 0.1
    assert site.height_m.max() < site.recipe.hall.height_m / 2  # machines and no ceiling


def test_the_gap_is_that_of_what_moves_about(site):
    gap = site.manifest["gap"]
    assert 0.5 < gap["twin"]["gain_mae_db"] < 4.0
    assert gap["twin-los"]["gain_mae_db"] > 1.5 * gap["twin"]["gain_mae_db"]
    assert gap["twin"]["coverage_mismatch"] < 0.02
