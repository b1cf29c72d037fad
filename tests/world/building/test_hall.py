"""Halls that are drawn: what stands where, and that UEs, sky and rays are those of a hall."""

import itertools
from xml.etree import ElementTree

import numpy as np
import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.building.hall import AISLE_M, GAP_M, GATE_M, draw_machines, hall_scene
from twin_envs.world.building.survey import survey
from twin_envs.world.building.tracing import Tracer
from twin_envs.world.recipe import HallRecipe, parse_recipe

SMALL = HallRecipe(size_m=(40.0, 30.0), height_m=6.0, clutter_share=0.06, clutter_size_m=4.0)
HALLS = [HallRecipe(), SMALL, HallRecipe(size_m=(60.0, 60.0), clutter_share=0.0)]


@pytest.mark.parametrize("hall", HALLS)
@pytest.mark.parametrize("seed", range(3))
def test_machines_take_their_share_and_leave_aisles_walls_and_each_other_room(hall, seed):
    boxes, (length_m, width_m) = draw_machines(hall, seed), hall.size_m
    x0, y0, x1, y1, height = boxes.T
    area_m2 = ((x1 - x0) * (y1 - y0)).sum()
    largest_m2 = (1.3 * hall.clutter_size_m) ** 2
    assert hall.clutter_share * length_m * width_m <= area_m2 <= hall.clutter_share * length_m * width_m + largest_m2
    assert (np.stack([x0, y0, length_m - x1, width_m - y1]) >= GAP_M - 1e-9).all()
    assert ((height >= hall.clutter_height_m / 2) & (height <= 1.5 * hall.clutter_height_m)).all()
    for low, high, side_m in ((y0, y1, width_m), (x0, x1, length_m)):
        assert ((high <= (side_m - AISLE_M) / 2 + 1e-9) | (low >= (side_m + AISLE_M) / 2 - 1e-9)).all()
    for a, b in itertools.combinations(boxes, 2):
        apart_m = np.maximum(a[:2] - b[2:4], b[:2] - a[2:4]).max()
        assert apart_m >= GAP_M - 1e-9


def test_a_hall_is_that_of_its_seed():
    assert hall_scene(SMALL, 3) == hall_scene(SMALL, 3)
    assert hall_scene(SMALL, 3) != hall_scene(SMALL, 4)
    with pytest.raises(ConfigurationError, match=r"hall.clutter_share must be less than 0.\d\d, .* got 0.4"):
        draw_machines(HallRecipe(clutter_share=0.4), 0)


def test_walls_have_two_gates_and_are_on_a_map_of_metres():
    shapes = {
        shape.get("id"): shape.find("transform") for shape in ElementTree.fromstring(hall_scene(SMALL, 0)).iter("shape")
    }
    boxes = {}
    for name, transform in shapes.items():
        scale, move = ([float(transform.find(what).get(axis)) for axis in "xyz"] for what in ("scale", "translate"))
        boxes[name] = np.array([np.subtract(move, scale), np.add(move, scale)])
    walls = [box for name, box in boxes.items() if name.startswith("wall-")]
    assert len(walls) == 6
    length_m, width_m = SMALL.size_m
    for x in (-1.0, length_m + 1.0):
        along = np.arange(0.0, width_m + 1)
        built = np.array(
            [any((low[:2] <= (x, y)).all() and ((x, y) <= high[:2]).all() for low, high in walls) for y in along]
        )
        assert np.abs(along[~built] - width_m / 2).max() <= GATE_M / 2
        assert (~built).sum() >= GATE_M - 1
    assert boxes["ceiling"][0, 2] == pytest.approx(SMALL.height_m)
    assert boxes["floor"][1, 2] == pytest.approx(0.0)


def recipe(**changes):
    data = {
        "name": "small-hall",
        "scene": "hall",
        "scene_source": "drawn",
        "scene_licence": "none",
        "area_m": [0.0, 0.0, 40.0, 30.0],
        "grid_m": 2.0,
        "hall": {"size_m": [40.0, 30.0], "height_m": 6.0, "clutter_share": 0.06, "clutter_size_m": 4.0},
        "access_points": [{"name": "wall", "position_m": [20.0, 1.0, 5.0], "yaw_rad": 1.57}],
        "worlds": {"reality": {"real": True}, "twin": {"max_depth": 1, "samples": 2000, "max_paths": 8}},
        "routes": {"walking": 3, "driving": 0, "least_length_m": 15.0},
        "gap": "mild",
    }
    return parse_recipe({**data, **changes})


def test_the_scene_hall_has_a_table_and_no_other_scene_has():
    for wrong in ({"scene": "munich"}, {"hall": {}, "scene": "munich"}):
        with pytest.raises(
            ConfigurationError, match=r"scene must be 'hall' where there is a table \[hall\], .* got 'munich'"
        ):
            recipe(**wrong)
    data = {"size_m": [20.0, 60.0]}
    with pytest.raises(ConfigurationError, match=r"hall.size_m\[0\] must be from 30.0 to 400.0, got 20.0"):
        recipe(hall=data)


@pytest.mark.rt
def test_ues_walk_below_the_ceiling_and_see_no_sky():
    found = survey(recipe())
    tensors = found.tensors
    assert tensors["height_m"].max() < 4.0  # machines, not the ceiling
    assert tensors["height_m"].max() > 0.5
    assert tensors["sky_view"].max() == 0.0
    assert len(tensors["point_m"]) > 0.6 * 21 * 16
    assert found.line_of_sight["wall"] > 0.5
    assert len(found.clutter.crowns) == 0
    assert (found.clutter.boxes[:, 3:5] < 4.0).all()


@pytest.mark.rt
def test_the_ceiling_reflects_as_a_mirror_of_metal():
    """To a place in sight one path comes by way of the ceiling, as long and as strong as from the mirror image."""
    hall = recipe(hall={"size_m": [40.0, 30.0], "height_m": 6.0, "clutter_share": 0.0}, array={"pattern": "iso"})
    clutter = survey(hall).clutter
    ue_m = np.array([[20.0, 21.0, 1.5]])
    paths = Tracer(hall, hall.worlds["twin"], clutter, batch=1).trace(0, ue_m)
    ap_m = np.array(hall.access_points[0].position_m)
    image_m = ue_m[0] * [1, 1, -1] + [0, 0, 2 * hall.hall.height_m]
    by_ceiling = np.abs(paths.length_m[0] - np.linalg.norm(image_m - ap_m)) < 1e-2
    assert by_ceiling.sum() == 1
    gain_db = 20 * np.log10(np.abs(paths.gain[0][by_ceiling][0]))
    free_db = 20 * np.log10(hall.wavelength_m / (4 * np.pi * np.linalg.norm(image_m - ap_m)))
    assert gain_db == pytest.approx(free_db, abs=1.0)
