"""The element of TR 38.901, table 7.3-1."""

import dataclasses
import math

import pytest
import torch

from twin_envs.twin.map.element import element_gain_db, tr38901_db
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


def test_a_turned_element_has_the_gain_of_one_that_is_asked_from_the_other_side():
    away = torch.tensor([[3.0, 1.0, -0.5], [-2.0, 5.0, 0.1]])
    turn, nothing = torch.tensor(0.3), torch.tensor(0.0)
    cos, sin = turn.cos(), turn.sin()
    back = torch.stack([cos * away[:, 0] + sin * away[:, 1], cos * away[:, 1] - sin * away[:, 0], away[:, 2]], -1)
    torch.testing.assert_close(tr38901_db(away, turn, nothing), tr38901_db(back, nothing, nothing))


def test_by_how_much_a_turn_changes_the_gain_is_known_by_its_gradient():
    """12 (x / 65 deg)^2 falls by 24 x / 65 deg^2 a radian."""
    yaw_rad = torch.tensor(0.0, requires_grad=True)
    off_rad, width_rad = 0.4, math.radians(65)
    tr38901_db(torch.tensor([math.cos(off_rad), math.sin(off_rad), 0.0]), yaw_rad, torch.tensor(0.0)).backward()
    assert float(yaw_rad.grad) == pytest.approx(24 * off_rad / width_rad**2, rel=1e-4)
