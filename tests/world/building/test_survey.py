"""What a recipe asks for is refused before a ray is traced, in the words of its author, or can be built."""

import copy
import re

import numpy as np
import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.building import builder, survey
from twin_envs.world.recipe import parse_recipe

BLOCK_M, STREET_M, HOUSE_M = 40.0, 16.0, 12.0
BOUNDS_M = (-200.0, -200.0, 200.0, 200.0)


def in_house(x_m, y_m):
    """Houses of 24 m x 24 m between streets of 16 m, whose corner is at the origin."""
    return (np.mod(x_m, BLOCK_M) > STREET_M) & (np.mod(y_m, BLOCK_M) > STREET_M)


class Town:
    """A town of square blocks 12 m high; one sees along a line sampled each metre."""

    bounds_m = BOUNDS_M

    def __init__(self, recipe):
        pass

    def height_m(self, x_m, y_m):
        return np.where(in_house(np.asarray(x_m)[None], np.asarray(y_m)[:, None]), HOUSE_M, 0.0)

    def ground_m(self, x_m, y_m):
        return np.zeros((len(y_m), len(x_m)))

    def covered(self, x_m, y_m):
        return np.zeros((len(y_m), len(x_m)), bool)

    def sees(self, from_m, points_m):
        line = from_m + np.linspace(0, 1, 60)[:, None, None] * (points_m - from_m)
        return ~(in_house(line[..., 0], line[..., 1]) & (line[..., 2] < HOUSE_M)).any(0)


RECIPE = {
    "name": "blocks",
    "scene": "munich",
    "scene_source": "drawn by hand",
    "scene_licence": "CC0",
    "area_m": [0.0, 0.0, 60.0, 60.0],
    "grid_m": 3.0,
    "access_points": [
        {"name": "west", "position_m": [8.0, 30.0, 8.0], "yaw_rad": 0.5},
        {"name": "east", "position_m": [48.0, 8.0, 9.0], "yaw_rad": 2.0},
        {"name": "roof", "position_m": [18.0, 30.0, 18.0], "yaw_rad": 0.0},
    ],
    "worlds": {"reality": {"real": True}, "twin": {}},
    "routes": {"walking": 2, "driving": 1, "least_length_m": 30.0},
}


@pytest.fixture(autouse=True)
def town(monkeypatch):
    monkeypatch.setattr(survey, "Surface", Town)
    monkeypatch.setattr(survey, "MARGIN_M", 20.0)


def changed(**fields):
    return parse_recipe({**copy.deepcopy(RECIPE), **fields})


def with_places(*places_m):
    aps = [{"name": f"ap-{i}", "position_m": list(place), "yaw_rad": 0.0} for i, place in enumerate(places_m)]
    return changed(access_points=aps)


def test_a_right_recipe_passes_and_says_what_each_access_point_sees():
    found = survey.survey(changed())
    assert found.remarks == ()
    assert found.line_of_sight.keys() == {"west", "east", "roof"}
    assert all(0 < share < 1 for share in found.line_of_sight.values())


WRONG = {
    "inside a building": (
        with_places((8, 30, 8), (20.0, 30.0, 8.0)),
        r"access_points\[1\].position_m of 'ap-1' must be in the open, higher than 12.0 m .* "
        r"got \(20.0, 30.0, 8.0\): it is inside a building",
    ),
    "all of them inside": (
        with_places((20, 30, 8), (30, 30, 8)),
        r"access_points\[0\].position_m .* inside a building",
    ),
    "5 km off": (
        with_places((8, 30, 8), (5000.0, 0.0, 8.0)),
        r"access_points\[1\].position_m of 'ap-1' must lie in the scene 'munich', x from -200.0 to 200.0 m and y from "
        r"-200.0 to 200.0 m, got \(5000.0, 0.0, 8.0\), 4940 m off the area",
    ),
    "an access point in millimetres": (
        with_places((8000.0, 30000.0, 8.0)),
        r"if these are millimetres, it is access_points\[0\].position_m = \[8.0, 30.0\]",
    ),
    "5 km off, and no dot at the origin": (
        changed(area_m=[5000.0, 82.0, 5060.0, 142.0]),
        r"area_m must lie in the scene 'munich', .* got \(5000.0, 82.0, 5060.0, 142.0\)$",
    ),
    "the area outside the scene": (
        changed(area_m=[300.0, 0.0, 400.0, 100.0]),
        r"area_m must lie in the scene 'munich', x from -200.0 to 200.0 m .* got \(300.0, 0.0, 400.0, 100.0\)",
    ),
    "an area in millimetres": (
        changed(area_m=[0.0, 0.0, 4500.0, 4500.0], grid_m=10.0, access_points=RECIPE["access_points"][:1]),
        r"area_m must lie in the scene",
    ),
    "no street so long": (
        changed(routes={"least_length_m": 150.0}),
        r"routes.least_length_m must be .* from 10.0 to less than 150.0, got 150.0: .* streets span 60 m x 60 m",
    ),
    "nothing but roofs": (changed(area_m=[17.0, 17.0, 39.0, 39.0]), "area_m must hold a street .* 100 % of it"),
    "a whisper": (changed(transmit_power_dbm=-30.0, bandwidth_hz=400e6, subcarrier_spacing_hz=120e3, carrier_hz=1e11),
                  r"transmit_power_dbm must be from -\d+.\d to 60.0 .* got -30.0"),
    "a floor above all": (changed(floor_db=0.0), r"floor_db must be from -200.0 to -\d+.\d, .* got 0.0"),
}  # fmt: skip


@pytest.mark.parametrize(("recipe", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_built_is_refused_with_field_value_and_range(recipe, message):
    with pytest.raises(ConfigurationError, match=message):
        survey.survey(recipe)


def test_the_free_places_that_are_named_are_free():
    with pytest.raises(ConfigurationError) as caught:
        survey.survey(with_places((20.0, 30.0, 8.0)))
    places = re.findall(r"\((-?[\d.]+), (-?[\d.]+), (-?[\d.]+)\)", str(caught.value).split("nearest free place")[1])
    assert len(places) == 2
    for place in places:
        survey.survey(with_places((8.0, 30.0, 8.0), tuple(map(float, place))))
    assert np.hypot(float(places[0][0]) - 20.0, float(places[0][1]) - 30.0) <= 5.0


def test_access_points_that_see_nothing_are_refused_together_and_remarked_on_alone(monkeypatch):
    far = (-190.0, -190.0, 3.0)
    with pytest.raises(ConfigurationError, match=r"access_points must see a part of area_m, got 1 .* line of sight"):
        survey.survey(with_places(far))
    found = survey.survey(with_places(far, (8.0, 30.0, 8.0)))
    assert found.remarks == ("No place in the area has line of sight to 'ap-0'.",)


def test_an_access_point_that_faces_away_is_remarked_on_with_a_yaw_that_works():
    """West of the area, at the wall of a house: all that it sees lies east."""
    west = {"name": "west", "position_m": [-20.0, 8.0, 8.0], "yaw_rad": 3.14}
    found = survey.survey(changed(access_points=[west, RECIPE["access_points"][1]]))
    (said,) = found.remarks
    match = re.fullmatch(
        r"'west' faces away: all (\d+) places in its sight lie (\d+) degrees or more off its yaw_rad = 3.14; "
        r"with yaw_rad = (-?[\d.]+) it would face (\d+) of them.",
        said,
    )
    places, off, yaw, faced = map(float, match.groups())
    assert places == round(found.line_of_sight["west"] * len(found.tensors["point_m"]))
    assert 65 < off <= 180
    assert abs(yaw) < 1.0
    assert places / 2 < faced <= places
    for turned in ({"yaw_rad": yaw}, {"yaw_rad": yaw - 2 * np.pi * np.sign(yaw)}):
        assert survey.survey(changed(access_points=[{**west, **turned}])).remarks == ()
    no_front = {"array": {"pattern": "iso"}, "access_points": [west]}
    assert survey.survey(changed(**no_front)).remarks == ()


def test_an_access_point_out_of_its_own_reach_is_refused():
    far = changed(access_points=[{"name": "far", "position_m": [-100.0, 8.0, 8.0], "yaw_rad": 0.0}], reach_m=60.0)
    with pytest.raises(
        ConfigurationError, match=r"reach_m must be from (\d+) to 10000.0 for 'far', .* got 60.0"
    ) as said:
        survey.survey(far)
    least_m = float(re.search(r"from (\d+)", str(said.value))[1])
    assert 100 <= least_m <= 102
    one = changed(access_points=[{**RECIPE["access_points"][0]}], reach_m=25.0)
    near = survey.survey(one)
    points = near.tensors["point_m"]
    (own,) = survey.in_reach(one, points)
    away_m = np.linalg.norm(points - np.array(one.access_points[0].position_m), axis=-1)
    assert own.tolist() == np.flatnonzero(away_m <= 25.0).tolist()
    whole = survey.survey(changed(access_points=[{**RECIPE["access_points"][0]}]))
    assert 0 < near.line_of_sight["west"] < whole.line_of_sight["west"]


def test_in_a_wide_grid_streets_have_no_holes():
    """Each place in the street has a grid point at most a cell off, however wide the cells are."""
    for grid_m in (2.0, 8.0):
        tensors = survey.survey(changed(grid_m=grid_m)).tensors
        cell_of, points = tensors["cell_of"], tensors["point_m"]
        x, y = np.meshgrid(np.arange(1.0, 60.0), np.arange(1.0, 60.0))
        street = ~in_house(x, y)
        cell = cell_of[np.round(y / grid_m).astype(int), np.round(x / grid_m).astype(int)]
        assert (cell[street] >= 0).all()
        off_m = np.hypot(points[cell, 0] - x, points[cell, 1] - y)[street]
        assert off_m.max() <= max(3.0, grid_m) + grid_m * np.sqrt(0.5)


def test_ues_that_fly_are_over_roofs_and_clutter_stays_in_the_streets():
    walked, flown = (survey.survey(changed(ue_height_m=height_m, gap="severe")) for height_m in (1.5, 30.0))
    points = flown.tensors["point_m"]
    assert len(points) == 21 * 21  # all of the area
    assert in_house(points[:, 0], points[:, 1]).any()
    assert (points[:, 2] == 30.0).all()
    np.testing.assert_array_equal(flown.clutter.boxes, walked.clutter.boxes)
    np.testing.assert_array_equal(flown.clutter.crowns, walked.clutter.crowns)
    np.testing.assert_allclose(flown.tensors["sky_view"].astype(float), 1.0, atol=1e-3)
    np.testing.assert_array_equal(flown.tensors["height_m"], walked.tensors["height_m"])
    line = flown.tensors["route_points_cm"].reshape(-1, 2) / 100
    assert in_house(line[:, 0], line[:, 1]).any()
    assert flown.line_of_sight["roof"] > walked.line_of_sight["roof"]


def test_fewer_routes_than_asked_for_are_remarked_on(monkeypatch):
    monkeypatch.setattr(survey, "driving_area", lambda clearance, walking, step_m: np.zeros_like(walking))
    found = survey.survey(changed())
    assert found.tensors["route_kind"].tolist() == [0, 0]
    assert found.remarks == ("The streets have room for 0 driving routes of 30 m or more, not 1.",)


def test_on_a_slope_streets_and_houses_are_those_of_level_ground(monkeypatch):
    """A town whose ground rises eastwards by a fifth, its houses with it."""

    class Hillside(Town):
        def ground_m(self, x_m, y_m):
            return np.broadcast_to(0.2 * np.asarray(x_m), (len(y_m), len(x_m)))

        def height_m(self, x_m, y_m):
            return super().height_m(x_m, y_m) + self.ground_m(x_m, y_m)

        def sees(self, from_m, points_m):
            return super().sees(from_m - [0, 0, 0.2 * from_m[0]], points_m - np.outer(0.2 * points_m[:, 0], [0, 0, 1]))

    level = survey.survey(changed())
    monkeypatch.setattr(survey, "Surface", Hillside)
    aps = [{**ap, "position_m": [*ap["position_m"][:2], ap["position_m"][2] + 0.2 * ap["position_m"][0]]}
           for ap in RECIPE["access_points"]]  # fmt: skip
    hilly = survey.survey(changed(access_points=aps))
    assert hilly.line_of_sight == pytest.approx(level.line_of_sight, abs=0.01)
    for name in ("height_m", "cell_of", "route_points_cm"):
        np.testing.assert_allclose(hilly.tensors[name], level.tensors[name], atol=0.01)
    assert "ground_m" not in level.tensors
    np.testing.assert_allclose(hilly.tensors["ground_m"][:, 10], 2.0, atol=1e-5)
    for flat, raised in (
        (level.tensors["point_m"], hilly.tensors["point_m"]),
        (level.clutter.boxes, hilly.clutter.boxes),
        (level.clutter.crowns, hilly.clutter.crowns),
    ):
        assert len(flat) > 0
        np.testing.assert_allclose(raised[:, 2], flat[:, 2] + 0.2 * flat[:, 0], atol=1e-4)
    # Uphill the slope hides some of the sky, above the horizon of level ground.
    street = level.tensors["sky_view"] > 0
    assert (hilly.tensors["sky_view"][street] <= level.tensors["sky_view"][street] + 0.02).mean() > 0.5
    with pytest.raises(ConfigurationError, match=r"higher than 16.0 m at \(20, 30\)"):
        survey.survey(with_places((20.0, 30.0, 15.0)))


def test_a_refused_build_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "blocks.toml"
    path.write_text(
        'name = "blocks"\nscene = "munich"\nscene_source = "-"\nscene_licence = "-"\narea_m = [0, 0, 60, 60]\n'
        'access_points = [{name = "in", position_m = [20, 30, 8], yaw_rad = 0.0}]\n'
        "worlds = {reality = {real = true}, twin = {}}\n"
    )
    with pytest.raises(ConfigurationError, match="inside a building"):
        builder.build(str(path), root=tmp_path / "sites")
    assert not list((tmp_path / "sites").iterdir())


# Random mutations


def leaves(data, path=()):
    """Paths of all single values of a recipe."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = [leaf for key, value in items for leaf in leaves(value, (*path, key))]
    return found or [path]


SPARE = {
    "carrier_hz": 3.5e9,
    "bandwidth_hz": 20e6,
    "csi_blocks": 48,
    "transmit_power_dbm": 30.0,
    "noise_figure_db": 7.0,
    "floor_db": -130.0,
    "ue_height_m": 1.5,
    "gap": "typical",
    "seed": 0,
}


def mutated(rng):
    """A right recipe with one to two of its values changed, and the names of what was changed."""
    data, names = {**copy.deepcopy(RECIPE), **SPARE}, []
    found = leaves(data)
    for path in (found[index] for index in rng.permutation(len(found))[: rng.integers(1, 3)]):
        *way, last = path
        parent = data
        for key in way:
            parent = parent[key]
        value = parent[last]
        if isinstance(value, bool):
            new = not value
        elif isinstance(value, dict):
            new = [3, {"max_dept": 3}][rng.integers(2)]
        elif isinstance(value, str):
            new = [value + "x", value.upper(), "", 7, "../" + value][rng.integers(5)]
        else:
            new = [
                -value,
                1e3 * value,
                value / 1e3,
                value + rng.normal(0, 30),
                float("nan"),
                str(value),
                0,
                None,
                1e12,
            ][rng.integers(9)]
        parent[last] = new
        names.append([str(key) for key in path if isinstance(key, str)][-1])
    return data, names


RELATED = {
    "bandwidth_hz": {"csi_blocks", "transmit_power_dbm"},
    "carrier_hz": {"floor_db", "transmit_power_dbm"},
    "noise_figure_db": {"transmit_power_dbm"},
    "ue_height_m": {"access_points"},
    "area_m": {"position_m", "access_points", "routes.", "grid_m", "floor_db", "transmit_power_dbm"},
    "position_m": {"access_points", "floor_db", "transmit_power_dbm"},
    "grid_m": {"area_m"},
    "name": {"ap "},
}
"""What a message may name instead: a value that was right before the other was changed."""


@pytest.mark.parametrize("seed", range(200))
def test_a_mutated_recipe_is_refused_by_name_or_can_be_built(seed):
    data, names = mutated(np.random.default_rng(seed))
    try:
        recipe = parse_recipe(data)
        found = survey.survey(recipe)
    except ConfigurationError as error:
        said = str(error)
        assert any(word in said for name in names for word in {name, *RELATED.get(name, ())}), (names, said)
        assert re.search(r"must|has no field|needs", said), said
        assert re.search("got|has no field", said), said
        return
    places = np.array([ap.position_m for ap in recipe.access_points])
    assert not (in_house(places[:, 0], places[:, 1]) & (places[:, 2] <= HOUSE_M)).any()
    assert len({ap.name for ap in recipe.access_points}) == len(recipe.access_points)
    assert (np.abs(places[:, :2]) <= 200.01).all()
    assert np.abs(recipe.area_m).max() <= 200.01
    assert recipe.worlds["reality"].real
    assert not recipe.worlds["twin"].real
    points = found.tensors["point_m"]
    assert len(points) > 0
    if recipe.ue_height_m <= HOUSE_M:  # who flies higher is over roofs, too
        assert not in_house(points[:, 0], points[:, 1]).any()
    assert len(found.tensors["route_length_m"]) > 0
    assert found.tensors["route_length_m"].min() >= recipe.routes.least_length_m
    assert max(found.line_of_sight.values()) > 0
