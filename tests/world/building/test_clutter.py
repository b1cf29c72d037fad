"""What reality holds and the twin omits: closed forms of geometry, and where things may stand."""

import dataclasses
import itertools

import numpy as np
import pytest

from twin_envs.world.building.clutter import LEVELS, box_mesh, draw_clutter, foliage_loss_db, occupied
from twin_envs.world.recipe import GAP_LEVELS

LOSS_DB_M = 1.0
LIMIT_DB = 22.0
CARRIER_HZ = 3.5e9


# Foliage


def loss(start, end, *crowns, carrier_hz=CARRIER_HZ):
    ends = np.array([start], float), np.array([end], float)
    return foliage_loss_db(*ends, np.reshape(crowns, (-1, 4)).astype(float), carrier_hz)[0]


def test_a_ray_through_the_middle_of_a_crown_loses_its_diameter():
    assert loss((-10, 0, 5), (10, 0, 5), (0, 0, 5, 2.5)) == pytest.approx(5 * LOSS_DB_M)


@pytest.mark.parametrize("offset_m", [0.0, 0.7, 1.5, 1.99])
def test_a_ray_beside_the_middle_loses_its_chord(offset_m):
    chord_m = 2 * np.sqrt(2.0**2 - offset_m**2)
    assert loss((-9, offset_m, 5), (9, offset_m, 5), (0, 0, 5, 2.0)) == pytest.approx(chord_m * LOSS_DB_M)


@pytest.mark.parametrize(
    ("start", "end", "inside_m"),
    [
        ((0, 0, 5), (10, 0, 5), 2.0),  # begins in the middle
        ((-10, 0, 5), (0.5, 0, 5), 2.5),  # ends beyond the middle
        ((-0.5, 0, 5), (1, 0, 5), 1.5),  # wholly inside
        ((3, 0, 5), (10, 0, 5), 0.0),  # the crown is behind
        ((-10, 0, 5), (-3, 0, 5), 0.0),  # the crown is ahead of the end
        ((-10, 2.01, 5), (10, 2.01, 5), 0.0),  # passes by
        ((0, 0, 5), (0, 0, 5), 0.0),  # no way at all
    ],
)
def test_only_the_part_of_the_way_inside_the_crown_counts(start, end, inside_m):
    assert loss(start, end, (0, 0, 5, 2.0)) == pytest.approx(inside_m * LOSS_DB_M, abs=1e-9)


def test_crowns_add_up_to_the_limit():
    row = [(5 * k, 0, 5, 2.0) for k in range(10)]
    assert loss((-5, 0, 5), (8, 0, 5), *row) == pytest.approx(2 * 4 * LOSS_DB_M)
    assert loss((-5, 0, 5), (60, 0, 5), *row) == LIMIT_DB
    assert loss((-5, 0, 5), (60, 0, 5)) == 0.0


def test_foliage_takes_more_from_a_higher_carrier():
    # ITU-R P.833, figure 2: in proportion to the frequency; P.526: 10 dB a decade of what goes round an edge.
    row = [(5 * k, 0, 5, 2.0) for k in range(10)]
    for carrier_hz, loss_db_m, limit_db in ((1e9, 0.2857, 16.56), (3.5e9, 1.0, 22.0), (28e9, 8.0, 31.03)):
        assert loss((-10, 0, 5), (10, 0, 5), (0, 0, 5, 1.0), carrier_hz=carrier_hz) == pytest.approx(
            2 * loss_db_m, rel=1e-3
        )
        assert loss((-5, 0, 5), (60, 0, 5), *row, *row, *row, carrier_hz=carrier_hz) == pytest.approx(
            limit_db, abs=0.01
        )


def test_the_chord_is_what_sampling_the_ray_finds():
    rng = np.random.default_rng(0)
    start, end = rng.uniform(-10, 10, (2, 40, 3))
    crowns = np.column_stack([rng.uniform(-6, 6, (5, 3)), rng.uniform(0.5, 3, 5)])
    at = start[:, None] + (np.arange(20_000)[:, None] + 0.5) / 20_000 * (end - start)[:, None]
    inside = sum((np.linalg.norm(at - crown[:3], axis=-1) < crown[3]).mean(-1) for crown in crowns)
    sampled_db = LOSS_DB_M * inside * np.linalg.norm(end - start, axis=-1)
    assert sampled_db.max() > 1
    one_way, other_way = (foliage_loss_db(*ends, crowns, CARRIER_HZ) for ends in ((start, end), (end, start)))
    np.testing.assert_allclose(one_way, np.minimum(sampled_db, LIMIT_DB), atol=0.01)
    np.testing.assert_allclose(one_way, other_way, atol=1e-9)


def test_in_a_town_full_of_trees_every_crown_on_the_way_counts_once():
    """Long ways, looked up piece by piece, against all crowns one after the other."""
    rng = np.random.default_rng(3)
    start, end = rng.uniform(-200, 200, (2, 60, 3)) * [1, 1, 0.05]
    crowns = np.column_stack([rng.uniform(-200, 200, (400, 2)), rng.uniform(-10, 10, 400), rng.uniform(1, 3, 400)])
    alone_db = sum(foliage_loss_db(start, end, crown[None], CARRIER_HZ) for crown in crowns)
    assert (alone_db > 1).sum() > 10
    np.testing.assert_allclose(
        foliage_loss_db(start, end, crowns, CARRIER_HZ), np.minimum(alone_db, LIMIT_DB), atol=1e-9
    )
    assert foliage_loss_db(start[:0], end[:0], crowns, CARRIER_HZ).shape == (0,)


# Boxes


def some_boxes(count=6):
    rng = np.random.default_rng(1)
    size = rng.uniform(0.3, 7, (count, 3))
    return np.column_stack([rng.uniform(-50, 50, (count, 3)), size, rng.uniform(-np.pi, np.pi, count)])


def test_the_mesh_of_boxes_is_closed_and_its_normals_point_outwards():
    boxes = some_boxes()
    vertices, faces = box_mesh(boxes)
    assert vertices.shape == (8 * len(boxes), 3)
    assert faces.shape == (12 * len(boxes), 3)
    assert (vertices.dtype, faces.dtype) == (np.float32, np.uint32)
    # Closed and oriented: each edge belongs to two triangles and is walked once in each direction.
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(int)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert {tuple(edge) for edge in edges} == {tuple(edge[::-1]) for edge in edges}
    for index, box in enumerate(boxes):
        corners = vertices.astype(float)[faces[12 * index : 12 * index + 12].astype(int)]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
        # Divergence theorem: the flux of x / 3 through the surface is the volume, positive for outward normals.
        centred = corners - box[:3]
        assert (centred.mean(1) * normal).sum() / 3 == pytest.approx(np.prod(box[3:6]), rel=1e-4)
        assert ((centred.mean(1) * normal).sum(-1) > 0).all()
        length, width, height = box[3:6]
        surface = 2 * (length * width + width * height + height * length)
        assert np.linalg.norm(normal, axis=-1).sum() == pytest.approx(surface, rel=1e-4)


def test_a_box_turns_counter_clockwise_by_its_yaw():
    vertices, _ = box_mesh(np.array([[10.0, 20.0, 1.0, 4.0, 2.0, 1.0, np.pi / 6]]))
    front = vertices - [10, 20, 1]
    along = front @ [np.cos(np.pi / 6), np.sin(np.pi / 6), 0]
    across = front @ [-np.sin(np.pi / 6), np.cos(np.pi / 6), 0]
    np.testing.assert_allclose(np.abs(along), 2.0, atol=1e-5)
    np.testing.assert_allclose(np.abs(across), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.abs(front[:, 2]), 0.5, atol=1e-6)


def test_occupied_is_the_footprint_with_a_margin():
    boxes = some_boxes()
    points = np.random.default_rng(2).uniform(-55, 55, (5000, 2))
    for margin_m in (0.0, 1.0):
        expected = np.zeros(len(points), bool)
        for x, y, _, length, width, _, yaw in boxes:
            local = ((points[:, 0] + 1j * points[:, 1]) - (x + 1j * y)) * np.exp(-1j * yaw)
            expected |= (np.abs(local.real) < length / 2 + margin_m) & (np.abs(local.imag) < width / 2 + margin_m)
        assert expected.any()
        np.testing.assert_array_equal(occupied(boxes, points, margin_m), expected)
    assert not occupied(np.zeros((0, 7)), points, 1.0).any()


def test_who_flies_well_above_a_box_is_not_in_it():
    boxes = np.array([[0.0, 0.0, 1.0, 4.0, 2.0, 2.0, 0.3]])  # its top is at 2 m
    over = np.array([[0.0, 0.0, z] for z in (1.5, 2.9, 3.1, 80.0)] + [[5.0, 0.0, 1.5]])
    assert occupied(boxes, over, 0.1).tolist() == [True, True, False, False, False]


# Clutter

STEP_M = 1.0
X_M, Y_M = np.arange(0.0, 120.0, STEP_M), np.arange(-50.0, 50.0, STEP_M)
APS_M = np.array([[30.0, -20.0], [60.0, 5.0], [90.0, 22.0]])


def street():
    """A street along x between walls at y = -24 and y = 24: True in the street, and the distance to the nearer wall."""
    to_wall = np.broadcast_to((24 - np.abs(Y_M))[:, None], (len(Y_M), len(X_M)))
    return to_wall > 0, np.maximum(to_wall, 0.0)


def clutter(level, seed=0):
    return draw_clutter(LEVELS[level], *street(), X_M, Y_M, APS_M, np.random.default_rng(seed))


def to_wall_m(objects):
    return 24 - np.abs(objects[:, 1])


def test_counts_follow_the_area_of_the_street():
    inside, _ = street()
    hectares = inside.sum() * STEP_M**2 / 1e4
    for name, level in LEVELS.items():
        drawn = clutter(name)
        assert len(drawn.vehicles) == round(level.vehicles_per_ha * hectares)
        assert len(drawn.furniture) == round(level.furniture_per_ha * hectares)
        assert len(drawn.crowns) == round(level.trees_per_ha * hectares)
        assert len(drawn.boxes) == len(drawn.vehicles) + len(drawn.furniture)


def test_each_level_holds_more_than_the_one_before():
    assert tuple(LEVELS) == GAP_LEVELS
    for less, more in itertools.pairwise(GAP_LEVELS):
        for field in dataclasses.fields(LEVELS[less]):
            low, high = getattr(LEVELS[less], field.name), getattr(LEVELS[more], field.name)
            assert low <= high, field.name
        drawn = clutter(less), clutter(more)
        for kind in ("vehicles", "furniture", "crowns"):
            assert len(getattr(drawn[0], kind)) < len(getattr(drawn[1], kind))
        errors = [np.abs(one.yaw_error_rad).sum() for one in drawn]
        assert errors[0] < errors[1]
    nothing = clutter("none")
    assert not len(nothing.boxes)
    assert not len(nothing.crowns)
    assert not nothing.yaw_error_rad.any()
    assert not LEVELS["none"].diffuse


@pytest.mark.parametrize("seed", range(5))
def test_nothing_stands_within_3_m_of_an_access_point(seed):
    drawn = clutter("severe", seed)
    for objects in (drawn.vehicles, drawn.furniture, drawn.crowns):
        distance_m = np.linalg.norm(objects[:, None, :2] - APS_M, axis=-1)
        assert distance_m.min() > 3.0
        assert distance_m.min() < 30  # they do stand in the same street


def test_objects_stand_where_such_objects_stand():
    drawn = clutter("severe")
    kerb = to_wall_m(drawn.vehicles)
    assert kerb.min() >= 2.0
    assert kerb.max() <= 4.0
    assert to_wall_m(drawn.furniture).min() >= 1.0
    assert to_wall_m(drawn.furniture).max() <= 6.0
    assert to_wall_m(drawn.crowns).min() >= 3.0
    # Vehicles are parked along the kerb, which runs along x here.
    np.testing.assert_allclose(np.sin(drawn.vehicles[:, 6]), 0.0, atol=1e-9)
    # On wheels, on the ground, and crowns above people's heads.
    np.testing.assert_allclose(drawn.vehicles[:, 2] - drawn.vehicles[:, 5] / 2, 0.25)
    np.testing.assert_allclose(drawn.furniture[:, 2] - drawn.furniture[:, 5] / 2, 0.0, atol=1e-12)
    assert (drawn.crowns[:, 2] - drawn.crowns[:, 3]).min() >= 1.8
    tall = drawn.vehicles[:, 5] > 2
    assert 0.05 < tall.mean() < 0.5


def test_the_seed_decides_everything():
    for level in ("mild", "severe"):
        one, same, other = clutter(level, 3), clutter(level, 3), clutter(level, 4)
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(same, field.name))
            assert not np.array_equal(getattr(one, field.name), getattr(other, field.name))


def test_a_street_too_small_for_them_takes_what_fits():
    inside = np.zeros((len(Y_M), len(X_M)), bool)
    inside[48:50, :20] = True  # far from any wall: no kerb to park at
    _, to_wall = street()
    drawn = draw_clutter(LEVELS["severe"], inside, to_wall, X_M, Y_M, APS_M, np.random.default_rng(0))
    assert not len(drawn.vehicles)
    assert not len(drawn.furniture)
