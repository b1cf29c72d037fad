"""Recipes: whatever is out of range, unknown or missing is refused by name."""

import dataclasses
import math
import re
import tomllib

import numpy as np
import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.world import recipe
from twin_envs.world.recipe import GAP_LEVELS, load_recipe, parse_recipe, recipe_names, recipe_text


def minimal(**changes):
    """The least that makes a recipe, as read from TOML, with changes."""
    data = {
        "name": "toytown",
        "scene": "munich",
        "scene_source": "nowhere",
        "scene_licence": "none",
        "area_m": [0, 0, 50, 50],
        "access_points": [{"name": "mast", "position_m": [1, 2, 8.0], "yaw_rad": 0.5}],
        "worlds": {"reality": {"real": True}, "twin": {}},
    }
    return {**data, **changes}


def with_ap(**changes):
    return minimal(access_points=[{**minimal()["access_points"][0], **changes}])


def with_world(**changes):
    return minimal(worlds={"reality": {"real": True}, "twin": changes})


def test_the_least_recipe_has_the_default_carrier():
    made = parse_recipe(minimal())
    assert (made.array.rows, made.array.columns, made.csi_blocks) == (2, 16, 48)
    assert made.access_points[0].position_m == (1, 2, 8.0)
    assert made.access_points[0].downtilt_rad == 0.0
    assert made.worlds["reality"].real
    assert not made.worlds["twin"].real
    assert made.wavelength_m == pytest.approx(0.0856550, rel=1e-6)
    assert made.block_spacing_hz == 360e3
    assert made.csi_blocks * made.block_spacing_hz <= made.bandwidth_hz
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 1


RANGES = {
    "carrier_hz": (1e8, 1e11),
    "bandwidth_hz": (1e6, 4e8),
    "transmit_power_dbm": (-30.0, 60.0),
    "noise_figure_db": (0.0, 30.0),
    "floor_db": (-200.0, 0.0),
    "reach_m": (20.0, 10_000.0),
    "grid_m": (0.25, 10.0),
    "ue_height_m": (0.5, 200.0),
    "seed": (0, 2**31 - 1),
}


def steps_outside(low, high, integer):
    least = 1 if integer else 1e-6 * max(abs(low), abs(high))
    return low - least, high + least


@pytest.mark.parametrize("field", RANGES)
def test_a_number_out_of_range_is_refused_with_field_value_and_range(field):
    low, high = RANGES[field]
    csi = {"csi_blocks": 4} if field == "bandwidth_hz" else {}
    parse_recipe(minimal(**{field: high}, **csi))
    for wrong in steps_outside(low, high, field == "seed"):
        with pytest.raises(ConfigurationError) as caught:
            parse_recipe(minimal(**{field: wrong}))
        for part in (field, str(low), str(high), repr(wrong)):
            assert part in str(caught.value)


ARRAY = {"rows": (1, 64), "columns": (1, 64), "row_spacing": (0.1, 4.0), "column_spacing": (0.1, 4.0)}
WORLD = {
    "max_depth": (0, 8),
    "samples": (100, 10_000_000),
    "max_paths": (1, 255),
    "dynamic_range_db": (1.0, 120.0),
}
AP = {"yaw_rad": (-2 * math.pi, 2 * math.pi), "downtilt_rad": (-math.pi / 2, math.pi / 2)}
STACK = {"elements": (2, 64), "spacing": (0.1, 4.0), "tilt_rad": (-math.pi / 2, math.pi / 2)}
AIR = {"pressure_hpa": (300.0, 1100.0), "temperature_k": (200.0, 330.0), "vapour_g_m3": (0.0, 50.0)}
NESTED = [
    *[
        (lambda v, f=f: minimal(array={"rows": 1}, stack={"elements": 2, f: v}), f"stack.{f}", r, isinstance(r[0], int))
        for f, r in STACK.items()
    ],
    *[(lambda v, f=f: minimal(atmosphere={f: v}), f"atmosphere.{f}", r, False) for f, r in AIR.items()],
    *[(lambda v, f=f: minimal(array={f: v}), f"array.{f}", r, isinstance(r[0], int)) for f, r in ARRAY.items()],
    *[(lambda v, f=f: with_world(**{f: v}), f"world.{f}", r, isinstance(r[0], int)) for f, r in WORLD.items()],
    *[(lambda v, f=f: with_ap(**{f: v}), f"ap 'mast' {f}", r, False) for f, r in AP.items()],
    (lambda v: with_ap(position_m=[0, 0, v]), "ap 'mast' position_m[2]", (0.5, 200.0), False),
    (lambda v: with_ap(position_m=[v, 0, 5]), "ap 'mast' position_m[0]", (-1e5, 1e5), False),
]


@pytest.mark.parametrize(("make", "field", "limits", "integer"), NESTED, ids=[case[1] for case in NESTED])
def test_a_nested_number_out_of_range_is_refused_with_field_value_and_range(make, field, limits, integer):
    for inside in limits:
        parse_recipe(make(inside))
    for wrong in steps_outside(*limits, integer):
        with pytest.raises(ConfigurationError) as caught:
            parse_recipe(make(wrong))
        for part in (field, str(limits[0]), str(limits[1]), repr(wrong)):
            assert part in str(caught.value)


WRONG = {
    "a text for a number": (minimal(carrier_hz="3.5e9"), "carrier_hz must be a number from .* got '3.5e9'"),
    "infinity": (minimal(transmit_power_dbm=math.inf), "transmit_power_dbm must be a number .* got inf"),
    "not a number": (minimal(grid_m=math.nan), "grid_m must be a number .* got nan"),
    "a boolean for a number": (minimal(seed=True), "seed must be an integer .* got True"),
    "a fraction of a row": (minimal(array={"rows": 1.5}), r"array.rows must be an integer from 1 to 64, got 1.5"),
    "an odd spacing": (minimal(subcarrier_spacing_hz=20e3), "subcarrier_spacing_hz must be one of .* got 20000.0"),
    "blocks not in fours": (minimal(csi_blocks=46), "csi_blocks must be a multiple of 4 from 4 to 51, got 46"),
    "more blocks than the carrier": (minimal(csi_blocks=52), "csi_blocks must be from 4 to 51, got 52"),
    "a narrow area": (minimal(area_m=[0, 0, 19, 50]), r"area_m must span from 20 to 5000 m .* got \(0, 0, 19, 50\)"),
    "an area upside down": (minimal(area_m=[50, 50, 0, 0]), "area_m must span from 20 to 5000 m"),
    "three corners": (minimal(area_m=[0, 0, 50]), r"area_m must be 4 numbers, got \(0, 0, 50\)"),
    "a flat AP": (with_ap(position_m=[1, 2]), r"ap 'mast' position_m must be 3 numbers, got \(1, 2\)"),
    "no AP": (minimal(access_points=[]), "access_points must name at least 1 access point"),
    "an unknown gap": (minimal(gap="sever"), "gap must be one of 'none', .* got 'sever'; did you mean 'severe'"),
    "an unknown pattern": (
        minimal(array={"pattern": "tr38902"}),
        "array.pattern must be one of .*'tr38902'; did you mean 'tr38901'",
    ),
    "stacks that overlap": (
        minimal(array={"row_spacing": 2.0}, stack={"elements": 4}),
        r"array.row_spacing must be 2.8 or more, the height of a stack, got 2.0",
    ),
    "a stack without elements": (minimal(stack={}), "stack needs the field 'elements'"),
    "a stack of one": (minimal(stack={"elements": 1}), "stack.elements must be from 2 to 64, got 1"),
    "a misspelt gas": (minimal(atmosphere={"vapor_g_m3": 3.0}), "did you mean 'vapour_g_m3'"),
    "a material that is none": (minimal(materials={"brik": "concrete"}), "materials must be .*did you mean 'brick'"),
    "one in its place that is none": (minimal(materials={"brick": "stone"}), "materials.brick must be .* got 'stone'"),
    "materials that are no table": (minimal(materials="concrete"), "materials must be a table, got 'concrete'"),
    "an area in millimetres": (
        minimal(area_m=[0, 0, 50e3, 50e3]),
        r"area_m must span .* got \(0, 0, 50000.0, 50000.0\).* millimetres, it is area_m = \[0.0, 0.0, 50.0, 50.0\]",
    ),
    "a grid too fine": (minimal(area_m=[0, 0, 4e3, 4e3], grid_m=1.0), "grid_m must be from 2.00 to 10.0 .* got 1.0"),
    "two APs of one name": (
        minimal(access_points=2 * minimal()["access_points"]),
        r"access_points\[1\].name must be another than that of access_points\[0\], got 'mast' for both",
    ),
    "reality without the gap": (
        minimal(worlds={"reality": {}, "twin": {}}),
        "worlds.reality.real must be true, got false",
    ),
    "a real twin": (with_world(real=True), "worlds.twin.real must be false, got true"),
    "a world's odd name": (
        minimal(worlds={**minimal()["worlds"], "../twin": {}}),
        "worlds must have names of letters, .* got '../twin'",
    ),
    "no routes": (minimal(routes={"walking": 0, "driving": 0}), r"routes.walking \+ routes.driving must be from 1"),
    "no twin": (minimal(worlds={"reality": {"real": True}}), r"worlds must hold 'twin', got \['reality'\]"),
    "no reality": (minimal(worlds={"twin": {}}), r"worlds must hold 'reality', got \['twin'\]"),
}


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_recipe_is_refused_with_the_reason(data, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_recipe(data)


# Types that TOML can hold and a recipe cannot.
MISTYPED = {
    "array": (minimal(array=5), "array must be a table, got 5"),
    "worlds": (minimal(worlds=3), "worlds must be a table, got 3"),
    "one world": (minimal(worlds={"reality": {}, "twin": 3}), "worlds.twin must be a table, got 3"),
    "access_points": (minimal(access_points=3), "access_points must be a list of tables, got 3"),
    "one access point": (minimal(access_points=[3]), "access_points must be a table, got 3"),
    "name": (minimal(name=7), "name must be a text, got 7"),
    "scene": (minimal(scene=7), "scene must be a text, got 7"),
    "scene_licence": (minimal(scene_licence=[]), "scene_licence must be a text, got ()"),
    "real": (with_world(real="no"), "world.real must be true or false, got 'no'"),
    "diffraction": (with_world(diffraction=1), "world.diffraction must be true or false, got 1"),
    "ap name": (with_ap(name=1), "access_points.name must be a text, got 1"),
}


@pytest.mark.parametrize(("data", "message"), MISTYPED.values(), ids=MISTYPED)
def test_a_field_of_the_wrong_type_is_refused_by_name(data, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        parse_recipe(data)


UNKNOWN = [
    (minimal(carier_hz=1e9), "recipe", "carier_hz", "carrier_hz"),
    (minimal(array={"colums": 8}), "array", "colums", "columns"),
    (with_ap(yaw=0.1), "access_points", "yaw", "yaw_rad"),
    (with_world(max_dept=3), "worlds.twin", "max_dept", "max_depth"),
]


@pytest.mark.parametrize(("data", "where", "wrong", "near"), UNKNOWN, ids=[case[2] for case in UNKNOWN])
def test_an_unknown_field_is_refused_with_the_nearest(data, where, wrong, near):
    with pytest.raises(ConfigurationError, match=f"{where} has no field '{wrong}'; did you mean '{near}'"):
        parse_recipe(data)


@pytest.mark.parametrize("field", ["name", "scene", "scene_source", "scene_licence", "area_m"])
def test_a_missing_field_is_named(field):
    data = minimal()
    del data[field]
    with pytest.raises(ConfigurationError, match=f"recipe needs the field '{field}'"):
        parse_recipe(data)


def test_a_missing_field_of_an_access_point_is_named():
    with pytest.raises(ConfigurationError, match="access_points needs the field 'yaw_rad'"):
        parse_recipe(minimal(access_points=[{"name": "mast", "position_m": [0, 0, 5]}]))


def test_a_text_that_is_not_toml_is_refused():
    with pytest.raises(ConfigurationError, match=r"not valid TOML: .*line 2"):
        load_recipe('name = "toytown"\nscene = munich\n')
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_recipe('name = "toytown"\nname = "twice"\n')


def test_the_shipped_recipe_comes_at_every_gap_level():
    assert {"munich", "munich-none", "munich-mild", "munich-severe"} <= set(recipe_names())
    base = load_recipe(recipe_text("munich"))
    assert base.gap == "typical"
    for name in recipe_names():
        made = load_recipe(recipe_text(name))
        assert made.name == name
    for level in set(GAP_LEVELS) - {"typical"}:
        made = load_recipe(recipe_text(f"munich-{level}"))
        assert made == dataclasses.replace(base, name=f"munich-{level}", gap=level)


@pytest.mark.parametrize(
    ("wrong", "near"), [("munic", "munich"), ("munich-mid", "munich-mild"), ("munich-typical", "munich"), ("", "")]
)
def test_an_unknown_site_is_refused_with_the_nearest(wrong, near):
    with pytest.raises(ConfigurationError) as caught:
        recipe_text(wrong)
    assert "site must be one of 'etoile'" in str(caught.value)
    assert f"got {wrong!r}" in str(caught.value)
    assert (f"did you mean '{near}" in str(caught.value)) == bool(near)


def test_munich_is_what_the_documentation_promises():
    made = load_recipe(recipe_text("munich"))
    x0, y0, x1, y1 = made.area_m
    assert min(x1 - x0, y1 - y0) >= 150
    assert len(made.access_points) >= 8
    assert len({ap.name for ap in made.access_points}) == len(made.access_points)
    heights_m = sorted(ap.position_m[2] for ap in made.access_points)
    assert heights_m[-1] > 15
    assert all(6 <= height_m <= 10 for height_m in heights_m[:-1])
    assert all(x0 <= ap.position_m[0] <= x1 and y0 <= ap.position_m[1] <= y1 for ap in made.access_points)
    assert (made.carrier_hz, made.bandwidth_hz, made.subcarrier_spacing_hz) == (3.5e9, 20e6, 30e3)
    assert made.array.rows * made.array.columns == 32
    assert made.array.pattern == "tr38901"
    assert {"reality", "twin", "twin-los"} <= set(made.worlds)
    assert [name for name, world in made.worlds.items() if world.real] == ["reality"]
    assert made.worlds["twin-los"].max_depth == 0
    assert "Open Database License" in made.scene_licence


def test_munich_cellfree_has_twenty_small_cells_round_munich():
    made, munich = load_recipe(recipe_text("munich-cellfree")), load_recipe(recipe_text("munich"))
    x0, y0, x1, y1 = made.area_m
    assert (x1 - x0, y1 - y0) == (240, 240)
    assert x0 <= munich.area_m[0] < munich.area_m[2] <= x1
    assert y0 <= munich.area_m[1] < munich.area_m[3] <= y1
    assert len({ap.name for ap in made.access_points}) == 20
    for ap in made.access_points:
        assert 6 <= ap.position_m[2] <= 10
        assert x0 < ap.position_m[0] < x1
        assert y0 < ap.position_m[1] < y1
    places = np.array([ap.position_m[:2] for ap in made.access_points])
    apart_m = np.linalg.norm(places[:, None] - places, axis=-1) + 1e9 * np.eye(len(places))
    assert apart_m.min() > 20
    assert (made.carrier_hz, made.bandwidth_hz, made.subcarrier_spacing_hz) == (3.5e9, 20e6, 30e3)
    assert (made.array.rows, made.array.columns, made.transmit_power_dbm) == (2, 2, 24.0)
    assert list(made.worlds) == ["reality", "twin", "twin-depth1", "twin-los"]
    assert made.worlds["twin-depth1"].max_depth == 1


def test_munich_28ghz_is_the_streets_of_munich_at_28_ghz():
    made, munich = load_recipe(recipe_text("munich-28ghz")), load_recipe(recipe_text("munich"))
    assert (made.scene, made.area_m, made.grid_m) == (munich.scene, munich.area_m, munich.grid_m)
    assert 4 <= len(made.access_points) <= 6
    assert set(made.access_points) < set(munich.access_points)
    assert all(6 <= ap.position_m[2] <= 10 for ap in made.access_points)
    assert made.array.rows * made.array.columns == 64
    assert (made.carrier_hz, made.bandwidth_hz, made.subcarrier_spacing_hz) == (28e9, 100e6, 120e3)
    # 66 blocks, of which CSI-RS sounds a multiple of four.
    assert (made.carrier_blocks, made.csi_blocks) == (66, 64)
    assert set(made.worlds) == {"reality", "twin", "twin-los", "twin-depth1", "twin-diffraction"}
    depths = [made.worlds[world].max_depth for world in ("twin-los", "twin-depth1", "twin", "twin-diffraction")]
    assert depths == [0, 1, 3, 3]
    assert [world for world, how in made.worlds.items() if how.diffraction] == ["reality", "twin-diffraction"]
    assert [world for world, how in made.worlds.items() if how.real] == ["reality"]


def test_a_recipe_is_read_back_from_the_text_that_a_site_keeps():
    text = recipe_text("munich-mild")
    assert load_recipe(text) == parse_recipe(tomllib.loads(text))
    assert recipe.RECIPES.joinpath("munich.toml").read_text(encoding="utf-8") in text
