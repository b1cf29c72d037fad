"""Corners of a block of houses, and the ways round it."""

import math

import pytest
import torch

from twin_envs.twin.map.corners import corners_of
from twin_envs.twin.map.skyline import Skyline
from twin_envs.twin.map.ways import MOST_CORNERS, ways_round

WEST, NORTH, EAST = [10.0, 50.0], [50.0, 90.0], [90.0, 50.0]


def block(low=30, high=71):
    """One block from `low` to `high` on 101 m x 101 m."""
    built = torch.zeros(101, 101, dtype=torch.bool)
    built[low:high, low:high] = True
    return Skyline(top_m=20.0 * built, built=built, origin_m=(0.0, 0.0))


@pytest.fixture(scope="module")
def corners():
    return corners_of(block())


def ways(corners, ap, *places):
    ap_m = torch.tensor([ap])
    return ways_round(corners, ap_m, corners.see(ap_m).mT, torch.tensor(places))


def test_a_block_has_four_corners(corners):
    true = torch.tensor([[30.0, 30.0], [30.0, 70.0], [70.0, 30.0], [70.0, 70.0]])
    assert len(corners.place_m) == 4
    assert torch.cdist(true, corners.place_m).amin(1).max() < 3.0


def test_a_corner_sees_along_both_of_its_walls_and_no_further(corners):
    south_west = int(corners.place_m.sum(-1).argmin())
    seen = corners.see(torch.tensor([[10.0, 90.0], [90.0, 10.0], [50.0, 50.0], [80.0, 80.0]]))
    assert seen[south_west].tolist() == [True, True, False, False]


def test_one_corner_leads_to_the_next_side_and_two_to_the_far_one(corners):
    found = ways(corners, WEST, NORTH, EAST)
    assert found.corners.tolist() == [[1.0, 2.0]]
    one_m = 2 * math.hypot(20.0, 20.0)  # by (30, 70)
    two_m = 2 * math.hypot(20.0, 20.0) + 40.0
    torch.testing.assert_close(found.length_m, torch.tensor([[one_m, two_m]]), rtol=0, atol=4.0)


def test_the_first_and_the_last_corner_are_those_at_the_ends(corners):
    found = ways(corners, WEST, EAST)
    first, last = corners.place_m[found.first[0, 0]], corners.place_m[found.last[0, 0]]
    assert first[0] < 35 < 65 < last[0]
    assert first[1] == pytest.approx(float(last[1]), abs=3.0)


def test_a_way_back_is_as_long(corners):
    there, back = ways(corners, WEST, EAST), ways(corners, EAST, WEST)
    torch.testing.assert_close(there.length_m, back.length_m)
    assert there.corners.tolist() == back.corners.tolist()


def test_into_a_closed_yard_no_way_leads():
    skyline = block()
    skyline.built[45:56, 45:56] = False
    found = ways(corners_of(skyline), WEST, [50.0, 50.0])
    assert found.length_m.isinf().all()
    assert found.corners.tolist() == [[MOST_CORNERS + 1]]


def test_where_nothing_is_built_there_is_no_corner():
    corners = corners_of(block(0, 0))
    assert len(corners.place_m) == 0
    assert ways(corners, WEST, EAST).length_m.isinf().all()
