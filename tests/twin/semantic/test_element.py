"""The element of TR 38.901, table 7.3-1."""

import dataclasses
import math

import pytest
import torch

from twin_envs.twin.semantic.element import element_gain_db
from twin_envs.world.recipe import load_recipe, recipe_text

RECIPE = load_recipe(recipe_text("munich"))
AP = dataclasses.replace(RECIPE.access_points[0], position_m=(0.0, 0.0, 10.0), yaw_rad=0.7, downtilt_rad=0.2)
ONE = dataclasses.replace(RECIPE, access_points=(AP,))


def gain_db(azimuth_rad, elevation_rad, recipe=ONE):
    """In a direction from the site's axes, elevation up."""
    level = 50 * math.cos(elevation_rad)
    place = [level * math.cos(azimuth_rad), level * math.sin(azimuth_rad), 10 + 50 * math.sin(elevation_rad)]
    return float(element_gain_db(recipe, torch.tensor([place])))


@pytest.mark.parametrize(
    ("azimuth_rad", "elevation_rad", "expected_db"),
    [
        (0.7, -0.2, 8.0),  # boresight, which looks down
        (0.7, -0.2 + math.radians(32.5), 5.0),  # half the beamwidth above it
        (0.7 + math.pi, 0.2, -22.0),  # behind
    ],
)
def test_the_pattern(azimuth_rad, elevation_rad, expected_db):
    assert gain_db(azimuth_rad, elevation_rad) == pytest.approx(expected_db, abs=0.01)


def test_it_is_the_same_to_the_left_and_to_the_right():
    assert gain_db(0.7 + 0.5, -0.1) == pytest.approx(gain_db(0.7 - 0.5, -0.1), abs=1e-3)


def test_other_patterns_are_taken_to_be_flat():
    flat = dataclasses.replace(ONE, array=dataclasses.replace(RECIPE.array, pattern="iso"))
    assert gain_db(0.7, 0.0, flat) == gain_db(2.0, 0.0, flat) == 0.0
