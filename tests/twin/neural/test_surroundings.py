"""What the map says of the way to a place, against closed forms in a town of one wall."""

import dataclasses
import math

import pytest
import torch
from surveys import GRID_M, SIDE, square

from twin_envs.twin.measurements import free_space_db
from twin_envs.twin.neural.corners import round_corners
from twin_envs.twin.neural.line import element_db, knife_edge_db, straight_lines
from twin_envs.twin.neural.surroundings import surroundings
from twin_envs.twin.neural.town import TownMap
from twin_envs.twin.neural.walls import walls

HEIGHT_M = 30.0
WEST = 0
"""The access point 5 m west of the square, half way up."""


def town(wall=True, level_m=0.0):
    """The square, with a wall along x = 49 to 51 m that is open north of y = 80 m; no grid point lies in it."""
    height_m, geometry = torch.full((101, 101), level_m), square()
    if wall:
        height_m[:81, 49:52] = HEIGHT_M
        inside = (geometry.point_m[:, 0] - 50).abs() < 2
        inside &= geometry.point_m[:, 1] <= 80
        number = torch.where(inside, -1, (~inside).cumsum(0) - 1)
        geometry = dataclasses.replace(
            geometry, point_m=geometry.point_m[~inside], cell_of=number.view(SIDE, SIDE).clone()
        )
    nothing = torch.zeros(4)
    return TownMap(geometry=geometry, yaw_rad=nothing, downtilt_rad=nothing, height_m=height_m, origin_m=(0.0, 0.0))


def at(geometry, x, y):
    return int(geometry.cell(torch.tensor([x, y])))


def test_losses_of_edges_and_gains_of_elements_are_those_of_the_formulas():
    assert float(knife_edge_db(torch.tensor(0.0))) == pytest.approx(6.02, abs=0.02)
    assert float(knife_edge_db(torch.tensor(-1.0))) == 0
    assert float(knife_edge_db(torch.tensor(10.0))) == pytest.approx(13 + 20 * math.log10(10), abs=0.15)
    off, level = torch.tensor([0.0, math.radians(32.5), math.pi]), torch.zeros(3)
    assert element_db(off, level).tolist() == pytest.approx([8, 5, -22], abs=1e-3)


def test_behind_the_wall_the_line_is_blocked_and_before_it_it_is_not():
    made = town()
    _, clear_db, blocked = straight_lines(made, WEST)
    geometry = made.geometry
    before, behind, past = (at(geometry, x, y) for x, y in ((30.0, 50.0), (80.0, 50.0), (52.0, 100.0)))
    assert not blocked[before]
    assert blocked[behind]
    assert not straight_lines(town(wall=False), WEST)[2].any()
    away_m = torch.tensor([math.dist((30, 50, 1.5), (-5, 50, 9))])
    element = element_db(torch.zeros(1), torch.atan2(torch.tensor(7.5), torch.tensor([35.0])))
    assert float(clear_db[before]) == pytest.approx(float(free_space_db(3.5e9, away_m) + element), abs=1e-3)
    assert past >= 0


def test_the_way_round_the_wall_is_that_round_its_corner():
    made = town()
    _, _, blocked = straight_lines(made, WEST)
    told = round_corners(made.geometry, WEST, blocked)
    point = at(made.geometry, 70.0, 50.0)
    way_m, turned = 10 ** float(told[point, 0]), float(told[point, 4])
    corner = (51.0, 81.0)  # where the wall ends
    shortest_m = math.dist((-5, 50), corner) + math.dist(corner, (70, 50))
    assert shortest_m - 2 * GRID_M < way_m < 1.05 * shortest_m + 2 * GRID_M
    assert turned == pytest.approx(math.atan2(31, 56) + math.atan2(31, 19), abs=0.2)
    seen = at(made.geometry, 30.0, 40.0)
    assert 10 ** float(told[seen, 0]) == pytest.approx(math.dist((-5, 50), (30, 40)), rel=1e-4)
    assert told[seen, 4] == told[seen, 5] == told[seen, 7] == 0


def test_walls_are_as_far_as_they_are():
    made = town()
    away_m = walls(made)[at(made.geometry, 30.0, 40.0)]
    assert float(away_m[0]) == pytest.approx(19, abs=1.5)  # east
    assert float(away_m[8]) == 60  # west: none


def test_a_place_without_sight_or_way_is_told_in_numbers_too():
    made = town(level_m=50.0)  # all under a roof: the AP sees nothing
    told, clear_db, blocked = surroundings(made)
    assert blocked.all()
    assert told.isfinite().all()
    assert clear_db.isfinite().all()
    assert told.shape == (4, len(made.geometry.point_m), 37)
