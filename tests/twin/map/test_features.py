"""What the map says of links, against closed forms in a town of one wall."""

import dataclasses
import math

import pytest
import torch
from surveys import SIDE, square

from twin_envs.twin.map.features import read_map
from twin_envs.twin.map.skyline import Skyline
from twin_envs.twin.neural.surroundings import surroundings
from twin_envs.world.recipe import AccessPoint, load_recipe, recipe_text

HEIGHT_M = 30.0
WEST = 0
"""The access point 5 m west of the square, half way up; it looks east."""


def town(wall=True, roof=False):
    """The square, with a wall along x = 49 to 51 m that is open north of y = 80 m; no grid point lies in it."""
    top_m, geometry = torch.zeros(101, 101), square()
    if wall:
        top_m[:81, 49:52] = HEIGHT_M
        inside = (geometry.point_m[:, 0] - 50).abs() < 2
        inside &= geometry.point_m[:, 1] <= 80
        number = torch.where(inside, -1, (~inside).cumsum(0) - 1)
        geometry = dataclasses.replace(
            geometry, point_m=geometry.point_m[~inside], cell_of=number.view(SIDE, SIDE).clone()
        )
    if roof:
        top_m[:] = 50.0
    aps = tuple(
        AccessPoint(name=str(index), position_m=tuple(place), yaw_rad=0.0)
        for index, place in enumerate(geometry.ap_position_m.tolist())
    )
    recipe = dataclasses.replace(load_recipe(recipe_text("munich")), access_points=aps)
    return read_map(Skyline(top_m=top_m, built=top_m > 2.5, origin_m=(0.0, 0.0)), geometry, recipe)


@pytest.fixture(scope="module")
def walled():
    return town()


def at(told, x, y):
    return int(told.geometry.cell(torch.tensor([x, y])))


def test_behind_the_wall_the_line_is_blocked_and_before_it_it_is_not(walled):
    before, behind = (at(walled, x, 50.0) for x in (30.0, 80.0))
    assert walled.in_sight[WEST, before]
    assert not walled.in_sight[WEST, behind]
    assert float(walled.blocked_m[WEST, behind]) == pytest.approx(3.0, abs=1.1)
    assert float(walled.first_m[WEST, behind]) == pytest.approx(53.5, abs=1.6)  # from x = -5 m
    assert float(walled.last_m[WEST, behind]) == pytest.approx(28.5, abs=1.6)
    assert float(walled.highest_m[WEST, behind].amax()) == pytest.approx(HEIGHT_M - 4.2, abs=0.5)
    assert (walled.highest_m[WEST, before] < 0).all()
    assert town(wall=False).in_sight.all()


def test_in_sight_the_way_is_the_straight_line(walled):
    seen = at(walled, 30.0, 40.0)
    distance_m = math.dist((-5, 50, 9), (30, 40, 1.5))
    assert float(walled.distance_m[WEST, seen]) == pytest.approx(distance_m, rel=1e-5)
    assert float(walled.way_m[WEST, seen]) == pytest.approx(distance_m, rel=1e-5)
    assert walled.corners[WEST, seen] == walled.turn_rad[WEST, seen] == 0
    departure, arrival = walled.azimuth_rad[WEST, seen].tolist()
    assert departure == pytest.approx(math.atan2(-10, 35), abs=1e-5)
    assert arrival == pytest.approx(math.atan2(10, -35), abs=1e-5)
    assert float(walled.below_rad[WEST, seen]) == pytest.approx(math.atan2(7.5, math.hypot(35, 10)), abs=1e-5)


def test_the_way_round_the_wall_is_that_round_its_corner(walled):
    point = at(walled, 70.0, 50.0)
    corner = (50.0, 81.0)  # where the wall ends
    first_m, last_m = math.dist((-5, 50), corner), math.dist(corner, (70, 50))
    assert float(walled.way_m[WEST, point]) == pytest.approx(first_m + last_m, abs=3.0)
    assert float(walled.first_leg_m[WEST, point]) == pytest.approx(first_m, abs=3.0)
    assert float(walled.last_leg_m[WEST, point]) == pytest.approx(last_m, abs=3.0)
    assert float(walled.turn_rad[WEST, point]) == pytest.approx(math.atan2(31, 55) + math.atan2(31, 20), abs=0.2)
    assert walled.corners[WEST, point] >= 1


def test_walls_are_as_far_as_they_are_beginning_with_that_towards_the_access_point(walled):
    walls_m = walled.walls_m[WEST, at(walled, 30.0, 50.0)]
    assert float(walls_m[4]) == pytest.approx(19, abs=1.5)  # east
    assert float(walls_m[0]) == 60  # west, where the AP is: none


def test_a_place_without_sight_or_way_is_told_in_numbers_too():
    told = town(roof=True)  # all under a roof: an AP sees nothing but what is at the edge beside it
    hidden = ~told.in_sight
    assert hidden.float().mean() > 0.99
    torch.testing.assert_close(told.way_m[hidden], 4 * told.distance_m[hidden])
    said = surroundings(told)
    assert said.isfinite().all()
    assert said.shape == (4, len(told.geometry.point_m), 40)


def test_what_is_to_the_left_of_an_access_point_is_as_what_is_to_its_right():
    """In an empty town all is alike to the north and to the south of the west AP, but for the sign of directions."""
    open_town = town(wall=False)
    north, south = (at(open_town, 40.0, y) for y in (70.0, 30.0))
    for name in ("distance_m", "element_db", "way_m", "below_rad", "scattered"):
        value = getattr(open_town, name)[WEST]
        assert float(value[north]) == pytest.approx(float(value[south]), abs=1e-4)
    assert float(open_town.straight_rad[WEST, north]) == pytest.approx(-float(open_town.straight_rad[WEST, south]))
