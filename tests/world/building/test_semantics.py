"""Semantics: who can be where, the ways they take, and the sky they see."""

import math

import numpy as np
import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.building import semantics

STEP_M = 1.0


def town():
    """Heights [m], 120 m x 130 m: four blocks, streets of 15 m, an alley of 6 m and a courtyard, 130 = columns."""
    height = np.zeros((120, 130), np.float32)
    height[15:50, 15:60] = 20.0
    height[15:50, 75:115] = 18.0
    height[65:105, 15:60] = 22.0
    height[65:105, 75:115] = np.nan
    height[65:82, 75:115] = 15.0
    height[88:105, 75:115] = 15.0
    height[25:40, 25:45] = 0.0
    return height


@pytest.fixture(scope="module")
def places():
    clearance = semantics.clearance_m(semantics.buildings(town()), STEP_M)
    walking = semantics.walking_area(clearance)
    return clearance, walking, semantics.driving_area(clearance, walking, STEP_M)


@pytest.fixture(scope="module")
def routes(places):
    return semantics.build_routes(
        *places, STEP_M, (-10.0, 5.0), np.random.default_rng(3), num_walking=20, num_driving=20, least_length_m=60.0
    )


def test_buildings_are_what_rises_above_the_ground():
    assert semantics.buildings(np.array([[np.nan, 0.0, 0.2, 3.0]], np.float32)).tolist() == [
        [False, False, False, True]
    ]


def test_in_the_way_of_who_flies_is_what_rises_to_there():
    height = np.array([[0.4, 0.6, 12.0, 78.9, 79.1, 99.0]], np.float32)
    assert semantics.buildings(height, 1.5).tolist() == semantics.buildings(height).tolist()
    assert semantics.buildings(height, 0.5).tolist() == semantics.buildings(height).tolist()
    assert semantics.buildings(height, 80.0).tolist() == [[False, False, False, False, True, True]]
    view = semantics.sky_view(np.pad(np.full((3, 3), 12.0, np.float32), 3), 1.0, observer_m=80.0)
    np.testing.assert_allclose(view, 1.0)


@pytest.mark.parametrize("step_m", [0.5, 2.0])
def test_clearance_from_a_wall_is_the_distance_to_it(step_m):
    building = np.zeros((5, 12), bool)
    building[:, :4] = True
    edge_m = 3.5 * step_m
    distance = np.maximum(np.arange(12) * step_m - edge_m, 0.0)
    np.testing.assert_allclose(semantics.clearance_m(building, step_m), np.tile(distance, (5, 1)))


def test_clearance_is_never_more_than_the_distance_to_the_nearest_building(places):
    clearance, building = places[0], np.argwhere(semantics.buildings(town()))
    for row, column in np.random.default_rng(0).integers(0, 120, (50, 2)):
        # The nearest point of any building cell, a square.
        gap = np.maximum(np.abs(building - [row, column]) - 0.5, 0.0) * STEP_M
        nearest = np.hypot(*gap.T).min()
        assert nearest - 0.3 * STEP_M <= clearance[row, column] <= nearest + 0.3 * STEP_M


def test_an_empty_map_is_clear_everywhere():
    clearance = semantics.clearance_m(np.zeros((6, 7), bool), STEP_M)
    assert np.isinf(clearance).all()
    assert semantics.walking_area(clearance).all()
    assert semantics.driving_area(clearance, semantics.walking_area(clearance), STEP_M).all()


def test_people_can_be_in_streets_and_alleys_but_not_in_courtyards(places):
    _, walking, _ = places
    assert walking[57, 10:120].all(), "street"
    assert walking[83:87, 75:115].all(), "alley of 6 m"
    assert not walking[25:40, 25:45].any(), "courtyard"
    assert not walking[semantics.buildings(town())].any()


def test_vehicles_keep_to_wide_streets(places):
    clearance, walking, driving = places
    assert driving[57, 10:120].all(), "street of 15 m"
    assert clearance[84, 95] == 2.5
    assert not driving[82:88, 85:105].any(), "alley of 6 m: room for a vehicle between its walls, but no street"
    assert not driving[~walking].any()
    assert clearance[driving].min() >= 2.5


def test_vehicles_cannot_be_where_they_could_not_have_driven():
    height = np.zeros((60, 60), np.float32)
    height[10:50, 10:50] = 10.0
    height[20:40, 20:40] = 0.0
    height[10:20, 29:32] = 0.0
    clearance = semantics.clearance_m(semantics.buildings(height), STEP_M)
    walking = semantics.walking_area(clearance)
    driving = semantics.driving_area(clearance, walking, STEP_M)
    assert walking[30, 30], "people reach the yard through its gate of 3 m"
    assert not driving[20:40, 20:40].any()
    assert driving[5, 5]


def test_nothing_is_drivable_where_nothing_is_wide():
    clearance = np.full((20, 20), 2.0, np.float32)
    assert not semantics.driving_area(clearance, np.ones((20, 20), bool), STEP_M).any()


def test_routes_are_whole_metres_and_padded(routes):
    assert routes.points.dtype == np.float32
    assert routes.kind.tolist() == [0] * 20 + [1] * 20
    assert routes.points.shape == (40, int(routes.length_m.max()) + 1, 2)
    assert routes.length_m.min() >= 60
    for points, length in zip(routes.points, routes.length_m.astype(int)):
        spacing = np.hypot(*np.diff(points, axis=0).T)
        np.testing.assert_allclose(spacing[:length], 1.0, atol=0.02)
        assert not spacing[length:].any()


def test_routes_never_leave_their_area(places, routes):
    _, walking, driving = places
    for points, kind in zip(routes.points, routes.kind):
        between = np.linspace(points[:-1], points[1:], 9).reshape(-1, 2) - [-10.0, 5.0]
        column, row = np.rint(between / STEP_M).astype(int).T
        area = (walking, driving)[kind]
        assert area[row, column].all()


def test_smoothing_cuts_no_corners():
    """A street of 9 m that winds through six sharp turns, where the widest smoothing would cut them."""
    height = np.full((66, 114), 9.0, np.float32)
    for leg in range(7):
        height[3:63, 3 + 15 * leg : 12 + 15 * leg] = 0.0
    for turn in range(6):
        end = 54 if turn % 2 else 3
        height[end : end + 9, 3 + 15 * turn : 27 + 15 * turn] = 0.0
    height[3:12, :3] = 0.0
    clearance = semantics.clearance_m(semantics.buildings(height), STEP_M)
    walking = semantics.walking_area(clearance)
    driving = semantics.driving_area(clearance, walking, STEP_M)
    routes = semantics.build_routes(
        clearance, walking, driving, STEP_M, (0.0, 0.0), np.random.default_rng(0), num_walking=0, num_driving=6
    )
    assert max(routes.length_m) > 200
    column, row = np.rint(routes.points.reshape(-1, 2) / STEP_M).astype(int).T
    assert driving[row, column].all()


@pytest.mark.parametrize(("kind", "least_radius_m"), [(0, 2.0), (1, 3.5)])
def test_routes_turn_gradually(routes, kind, least_radius_m):
    for points, length in zip(routes.points[routes.kind == kind], routes.length_m[routes.kind == kind].astype(int)):
        step = np.diff(points[: length + 1], axis=0)
        heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        assert np.abs(np.diff(heading)).max() < 1.0 / least_radius_m


def test_drivers_keep_further_from_walls_than_walkers(places, routes):
    def mean_clearance(kind):
        points = routes.points[routes.kind == kind].reshape(-1, 2) - [-10.0, 5.0]
        column, row = np.rint(points / STEP_M).astype(int).T
        near_walls = np.minimum(places[0][row, column], 7.5)
        return near_walls.mean()

    assert mean_clearance(1) > mean_clearance(0) + 0.5


def test_in_the_open_drivers_go_straight_and_walkers_wander():
    """Eight directions cost 8 % at most, smoothing takes off some of it; each walker has detours of its own."""
    open_ground = np.ones((100, 100), bool)
    clearance = np.full((100, 100), np.inf, np.float32)
    routes = semantics.build_routes(
        clearance,
        open_ground,
        open_ground,
        STEP_M,
        (0.0, 0.0),
        np.random.default_rng(0),
        num_walking=15,
        num_driving=15,
    )
    ends = zip(routes.points[:, 0], routes.points[:, -1])
    detour = routes.length_m / [math.dist(start, end) for start, end in ends]
    assert detour.min() > 0.98
    assert detour[routes.kind == 1].max() < 1.083
    assert detour[routes.kind == 0].max() > 1.15
    assert detour[routes.kind == 0].mean() < 1.3


def test_routes_are_seeded(places):
    def build(seed):
        generator = np.random.default_rng(seed)
        return semantics.build_routes(*places, STEP_M, (0.0, 0.0), generator, num_walking=3, num_driving=3).points

    first, again, other = build(1), build(1), build(2)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"least_length_m": 400.0},
            "least_length_m must be .* from 10.0 to less than 400.0, got 400.0: .* streets span",
        ),
        ({"num_walking": -1}, "num_walking must be from 0"),
        ({"num_driving": 1.5}, "num_driving must be an integer"),
        ({"num_walking": 0, "num_driving": 0}, "num_walking [+] num_driving must be from 1"),
        ({"least_length_m": 0.0}, "least_length_m must be from 2.0"),
    ],
)
def test_impossible_routes_are_refused(places, options, message):
    options = {"num_walking": 1, "num_driving": 1, **options}
    with pytest.raises(ConfigurationError, match=message):
        semantics.build_routes(*places, STEP_M, (0.0, 0.0), np.random.default_rng(0), **options)


def test_where_there_is_room_for_fewer_routes_there_are_fewer(places):
    clearance, walking, _ = places
    nowhere = np.zeros_like(walking)
    generator = np.random.default_rng(0)
    found = semantics.build_routes(
        clearance, walking, nowhere, STEP_M, (0.0, 0.0), generator, num_walking=2, num_driving=3
    )
    assert found.kind.tolist() == [0, 0]
    assert len(found.points) == len(found.length_m) == 2


def test_open_ground_sees_all_of_the_sky():
    np.testing.assert_allclose(semantics.sky_view(np.full((9, 9), np.nan, np.float32), STEP_M), 1.0)


def test_sky_view_of_a_street_canyon_follows_its_geometry():
    """Long walls on both sides: in azimuth a the horizon is at atan(h |sin a| / distance)."""
    step, wall = 0.5, 20.0
    height = np.zeros((44, 800), np.float32)
    height[:2] = height[42:] = wall
    view = semantics.sky_view(height, step, azimuths=32)
    azimuth = (np.arange(20_000) + 0.5) * 2 * math.pi / 20_000
    for row in (6, 22, 32):
        down, up = (row - 1.5) * step, (41.5 - row) * step
        distance = np.where(np.sin(azimuth) > 0, up, down) / np.abs(np.sin(azimuth))
        expected = np.mean(1 - np.sin(np.arctan((wall - 1.5) / distance)))
        assert view[row, 400] == pytest.approx(expected, abs=0.02)


def test_sky_view_shrinks_as_buildings_grow():
    low = semantics.sky_view(town(), STEP_M)
    high = semantics.sky_view(2 * town(), STEP_M)
    street = ~semantics.buildings(town())
    assert (high[street] <= low[street]).all()
    assert high[57, 67] < low[57, 67] < 1
    assert not low[~street].any()
    assert low[30, 35] < low[57, 37] < low[2, 2], "courtyard, street, edge of town"


def test_things_below_the_eye_hide_no_sky():
    height = np.zeros((20, 20), np.float32)
    height[5:8, 5:8] = 1.4
    view = semantics.sky_view(height, STEP_M)
    np.testing.assert_allclose(view[~semantics.buildings(height)], 1.0)


def test_too_few_azimuths_are_refused():
    with pytest.raises(ConfigurationError, match="azimuths must be from 4"):
        semantics.sky_view(np.zeros((4, 4), np.float32), STEP_M, azimuths=2)
