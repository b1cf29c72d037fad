"""`munich-uav`: what arrives 80 m above the town is what antennas that look down send there."""

import numpy as np
import pytest
import torch

from twin_envs.twin.map.element import element_gain_db
from twin_envs.world.atlas.arrays import stack_amplitude
from twin_envs.world.store.site import load_site


@pytest.fixture(scope="module")
def site():
    return load_site("munich-uav")


def test_a_place_in_sight_gets_free_space_and_the_antenna_s_gain(site):
    atlas, geometry, recipe = site.twin("twin-los"), site.geometry, site.recipe
    away_m = (geometry.point_m - geometry.ap_position_m[:, None]).norm(dim=-1)
    expected_db = 20 * (recipe.wavelength_m / (4 * np.pi * away_m)).log10() + element_gain_db(recipe, geometry.point_m)
    seen = atlas.line_of_sight & (expected_db > recipe.floor_db + 1)
    assert seen.float().mean() > 0.2
    off_db = (10 * atlas.gain[seen].log10() - expected_db[seen]).abs()
    assert (off_db < 0.006).float().mean() > 0.995  # files keep hundredths of a decibel; deep in a null, and exactly
    assert off_db.median() < 0.003  # above an access point, where no azimuth is, a float32 tells less


def test_ues_fly_over_roofs_at_one_height(site):
    points = site.geometry.point_m
    assert (points[:, 2] == 80.0).all()
    at = (points[:, :2] - torch.tensor(site.recipe.area_m[:2])).round().long()
    below_m = site.height_m[at[:, 1], at[:, 0]]
    assert below_m.max() < 79.0
    assert (below_m > 10.0).float().mean() > 0.3
    position_m, _ = site.routes.curve(torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.float64))
    assert site.geometry.ground.place(position_m)[0, 2] == 80.0


def test_above_an_access_point_there_are_nulls(site):
    """From 30 degrees up some directions get a thousandth of what the lobe sends, none more than a sixteenth."""
    sine = np.sin(np.radians(np.linspace(30, 90, 2000)))
    power = stack_amplitude(site.recipe.stack, sine) ** 2 / site.recipe.stack.elements
    assert power.min() < 1e-3
    assert power.max() < 1 / 16
