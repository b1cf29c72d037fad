"""Building a site from survey to manifest, with a ray tracer that is a formula."""

import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import stopping
import torch

from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.building import builder, survey
from twin_envs.world.building.clutter import occupied
from twin_envs.world.recipe import load_recipe
from twin_envs.world.store import reading as store
from twin_envs.world.store.site import load_site

RECIPE = """
name = "toytown"
gap = "{gap}"
scene = "munich"
scene_source = "drawn by hand"
scene_licence = "CC0"
area_m = [{west_m}, 0, {east_m}, 40]
grid_m = 3.0
reach_m = {reach_m}
array = {{rows = 2, columns = 4}}
access_points = [
  {{name = "west", position_m = [{west_m}, 20, 8], yaw_rad = 0.0}},
  {{name = "east", position_m = [{east_m}, 20, 8], yaw_rad = 3.14}},
]
worlds = {{reality = {{real = true}}, twin = {{}}, twin-los = {{max_depth = 0}}}}
routes = {{walking = 3, driving = 3, least_length_m = 30.0}}
"""
WALLS_Y_M = (10.0, 30.0)
PIECES = 2 * 3 * 2  # APs x worlds x tiles


def recipe_of(gap, west_m, reach_m=10_000.0):
    return RECIPE.format(gap=gap, west_m=west_m, east_m=west_m + 60, reach_m=reach_m)


def opened(*place):
    text = recipe_of(*place)
    return text, load_recipe(text)


class Street:
    """A street along x between two blocks of houses 12 m high."""

    bounds_m = (-1e5, -1e4, 1e5, 1e4)

    def __init__(self, recipe):
        pass

    def height_m(self, x_m, y_m):
        house = (y_m < WALLS_Y_M[0]) | (y_m > WALLS_Y_M[1])
        return np.broadcast_to(np.where(house, 12.0, 0.0)[:, None], (len(y_m), len(x_m)))

    def ground_m(self, x_m, y_m):
        return np.zeros((len(y_m), len(x_m)))

    def covered(self, x_m, y_m):
        return np.zeros((len(y_m), len(x_m)), bool)

    def sees(self, from_m, points_m):
        return np.ones(len(points_m), bool)


LIVE_S = {"twin": 0.25, "twin-los": 0.03}
"""Reality cannot be asked: it is not among them."""


class Clock:
    """What `perf_counter` tells: as late as the tracers have made it."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


class FakeTracer:
    """Line of sight in free space; `louder_db` is what each world adds to the gain.

    A tracer of one receiver is asked live, to measure its latency: of `clock` that takes LIVE_S, the first time longer.
    """

    made: list[str]
    traced: list[tuple[str, int, float]]
    links: ClassVar[list[int]] = []
    louder_db: dict[str, float]
    stop_after: int
    clock: "Clock"

    def __init__(self, recipe, world, clutter, batch=256):
        self.recipe, self.live, self.asked = recipe, batch == 1, set()
        self.world = next(name for name, known in recipe.worlds.items() if known is world)
        if not self.live:
            self.made.append(self.world)

    def trace(self, ap, positions_m):
        if self.live:
            assert positions_m.shape == (1, 3)
            link = (ap, *positions_m[0])
            self.clock.now_s += LIVE_S[self.world] + 10.0 * (link not in self.asked)
            self.asked.add(link)
            return
        if len(self.traced) == self.stop_after:
            raise KeyboardInterrupt
        self.traced.append((self.world, ap, float(positions_m[0, 1])))
        self.links.append(len(positions_m))
        step = positions_m - np.array(self.recipe.access_points[ap].position_m)
        length_m = np.linalg.norm(step, axis=-1)
        fields = empty_paths(len(positions_m), self.recipe.worlds[self.world].max_paths)
        amplitude = self.recipe.wavelength_m / (4 * np.pi * length_m)
        fields["gain"][:, 0] = amplitude * 10 ** (self.louder_db.get(self.world, 0.0) / 20)
        fields["length_m"][:, 0] = length_m
        fields["departure"][:, 0] = fields["arrival"][:, 0] = step / length_m[:, None]
        fields["line_of_sight"][:, 0] = True
        return TracedPaths(**fields)


@pytest.fixture
def town(tmp_path, monkeypatch):
    """A builder of toytown: a function of gap level, louder worlds and of how many pieces it is interrupted after."""

    def build(gap="none", louder_db=None, stop_after=-1, west_m=0, reach_m=10_000.0, **options):
        tracer = type("Tracer", (FakeTracer,), {})
        tracer.links = []
        tracer.made, tracer.traced, tracer.louder_db, tracer.stop_after = [], [], louder_db or {}, stop_after
        tracer.clock = Clock()
        with monkeypatch.context() as patch:
            patch.setattr(builder, "Tracer", tracer)
            patch.setattr(builder, "perf_counter", tracer.clock)
            patch.setattr(builder, "open_recipe", lambda name: opened(gap, west_m, reach_m))
            try:
                return builder.build("toytown", root=tmp_path, **options), tracer
            except KeyboardInterrupt:
                return None, tracer

    monkeypatch.setattr(survey, "Surface", Street)
    monkeypatch.setattr(builder, "TILE", 100)
    monkeypatch.setattr(survey, "MARGIN_M", 20.0)
    return build


def test_two_equal_worlds_have_no_gap(town):
    path, tracer = town()
    assert len(tracer.traced) == PIECES
    manifest = store.read_manifest(path)
    for twin in ("twin", "twin-los"):
        gap = manifest["gap"][twin]
        assert (gap["gain_mae_db"], gap["coverage_mismatch"]) == (0.0, 0.0)
        assert gap["best_ap_agreement"] == gap["best_beam_agreement"] == 1.0
        assert gap["cosine_similarity"] == pytest.approx(1.0, abs=1e-5)


def test_a_louder_reality_is_measured(town):
    path, _ = town(louder_db={"reality": 6.0, "twin-los": -3.0})
    gap = store.read_manifest(path)["gap"]
    assert gap["twin"]["gain_mae_db"] == pytest.approx(6.0, abs=0.01)
    assert gap["twin-los"]["gain_mae_db"] == pytest.approx(9.0, abs=0.01)
    assert gap["twin"]["best_ap_agreement"] == pytest.approx(1.0)
    assert gap["twin"]["cosine_similarity"] == pytest.approx(1.0, abs=1e-3)


def test_the_latency_is_that_of_one_link_of_a_warm_tracer(town):
    path, _ = town()
    assert store.read_manifest(path)["latency_s"] == pytest.approx(LIVE_S)


def test_pointing_errors_of_reality_are_in_its_antennas(town):
    path, _ = town(gap="severe")
    site = load_site(str(path))
    real, twin = site.reality("reality").antenna_m, site.twin("twin").antenna_m
    assert not torch.allclose(real, twin, atol=1e-3)
    torch.testing.assert_close(real.norm(dim=-1), twin.norm(dim=-1), atol=1e-5, rtol=0)
    assert store.read_manifest(path)["gap"]["twin"]["cosine_similarity"] < 0.999


def test_the_manifest_says_where_the_scene_comes_from(town):
    path, _ = town()
    manifest = store.read_manifest(path)
    assert (manifest["source"], manifest["licence"], manifest["scene"]) == ("drawn by hand", "CC0", "munich")
    assert manifest["coverage"] == {world: {"links": 1.0, "points": 1.0} for world in ("reality", "twin", "twin-los")}
    assert manifest["area_m"] == [0, 0, 60, 40]
    assert {"sionna", "sionna-rt", "mitsuba", "drjit"} <= set(manifest["versions"])
    assert all(check.ok for check in store.verify(path))
    assert store.read_recipe(path) == recipe_of("none", 0)


def test_the_built_site_loads_and_is_the_street(town):
    path, _ = town()
    site = load_site(str(path))
    points = site.geometry.point_m.numpy()
    assert store.read_manifest(path)["grid_points"] == len(points)
    # Grid points lie in the street, 3 m apart, at the UE's height.
    assert points[:, 1].min() > WALLS_Y_M[0] - 0.5
    assert points[:, 1].max() < WALLS_Y_M[1] + 0.5
    assert np.unique(points[:, 2]).tolist() == [1.5]
    assert np.unique(points[:, 0]).tolist() == [3.0 * k for k in range(21)]
    # Every AP's gain is Friis', at each point.
    aps = site.geometry.ap_position_m.numpy()
    distance_m = np.linalg.norm(aps[:, None] - points, axis=-1)
    expected_db = 20 * np.log10(site.recipe.wavelength_m / (4 * np.pi * distance_m))
    np.testing.assert_allclose(10 * np.log10(site.twin("twin").gain.numpy()), expected_db, atol=0.01)
    # Routes lie in the street and on the grid.
    vertices = site.routes.points
    assert sorted(site.routes.kind.tolist()) == [0, 0, 0, 1, 1, 1]
    assert (site.geometry.cell(vertices) >= 0).all()
    assert WALLS_Y_M[0] < vertices[..., 1].min()
    assert vertices[..., 1].max() < WALLS_Y_M[1]
    # The sky is hidden near the walls, and the houses are where they were.
    middle, wall = (site.sky_view.at(torch.tensor([30.0, y])).item() for y in (20.0, 11.5))
    assert middle > wall + 0.05
    assert site.height_m.shape == (41, 61)
    assert site.height_m[2, 5].item() == 12.0
    assert site.height_m[20, 5].item() == 0.0


def test_links_beyond_reach_are_not_traced_and_have_no_path(town):
    """Of the street 60 m long each AP at its end reaches 40 m: the middle third has both."""
    whole, _ = town()
    everywhere = load_site(str(whole)).twin("twin").gain.numpy()
    path, tracer = town(reach_m=40.0, force=True)
    site = load_site(str(path))
    away_m = np.linalg.norm(site.geometry.ap_position_m.numpy()[:, None] - site.geometry.point_m.numpy(), axis=-1)
    assert 0.5 < (away_m <= 40.0).mean() < 0.8
    for world in site.recipe.worlds:
        np.testing.assert_allclose(site.reality(world).gain, np.where(away_m <= 40.0, everywhere, 0.0), rtol=1e-6)
    assert sum(tracer.links) == 3 * (away_m <= 40.0).sum()


@pytest.mark.parametrize("west_m", [-5000, 400, 90_000])
def test_a_site_far_from_the_origin_has_its_routes_where_its_area_is(town, west_m):
    path, _ = town(west_m=west_m)
    site = load_site(str(path))
    x = site.routes.points[..., 0]
    assert west_m <= x.min() < x.max() <= west_m + 60
    assert (site.geometry.cell(site.routes.points) >= 0).all()


@pytest.fixture
def cluttered(town):
    path, _ = town(gap="severe")
    boxes = store.read_tensors(path, "world-reality.safetensors")["boxes"].numpy().astype(float)
    assert len(boxes) >= 10
    return load_site(str(path)), boxes


def test_the_map_is_the_same_whatever_stands_in_the_street(town):
    maps = []
    for gap in ("none", "mild", "severe"):
        path, _ = town(gap=gap, force=True)
        assert "boxes" not in store.read_tensors(path, "world-twin.safetensors")  # the twin knows nothing of them
        maps.append(store.read_tensors(path, "map.safetensors"))
    for other in maps[1:]:
        assert other.keys() == maps[0].keys()
        for name, tensor in maps[0].items():
            assert torch.equal(tensor, other[name]), name


def test_what_worlds_share_does_not_tell_where_clutter_stands(cluttered):
    """Whoever guesses that it stands where the shared grid, or the routes, leave the street out guesses no better."""
    site, boxes = cluttered
    x, y = np.meshgrid(np.arange(0, 60.5, 0.5), np.arange(WALLS_Y_M[0] + 1, WALLS_Y_M[1] - 0.5, 0.5))
    place = np.column_stack([x.ravel(), y.ravel()])
    held = occupied(boxes, place, 0.0)
    base_rate = held.mean()
    assert base_rate > 0.05
    points, routes = site.geometry.point_m[:, :2].numpy(), site.routes.points.flatten(0, 1).numpy()
    guesses = {
        "no grid point near": np.linalg.norm(place[:, None] - points, axis=-1).min(-1) > 0.75 * site.geometry.grid_m,
        "no cell": site.geometry.cell(torch.tensor(place, dtype=torch.float32)).numpy() < 0,
        "no route near": np.linalg.norm(place[:, None] - routes, axis=-1).min(-1) > 2.0,
    }
    for guess, where in guesses.items():
        if where.any():
            chance = 3 * np.sqrt(base_rate / max(where.sum() / 16, 1))  # a box covers some 16 of the places
            assert held[where].mean() < base_rate + chance, guess
    # So would have been a grid with holes.
    cut = points[~occupied(boxes, points, 0.1)]
    holes = np.linalg.norm(place[:, None] - cut, axis=-1).min(-1) > 0.75 * site.geometry.grid_m
    assert held[holes].mean() > 2 * base_rate


@pytest.mark.parametrize("finished", [1, 5, PIECES - 1])
def test_an_interrupted_build_goes_on_and_traces_nothing_twice(town, finished):
    path, first = town(stop_after=finished)
    assert path is None
    path, second = town()
    assert len(first.traced) == finished
    assert not set(first.traced) & set(second.traced)
    assert len(set(first.traced) | set(second.traced)) == PIECES
    whole, _ = town(force=True)
    assert whole == path


def test_what_is_resumed_is_what_would_have_been_built_at_once(town):
    town(stop_after=7)
    path, _ = town()
    resumed = store.read_manifest(path)["files"]
    path, again = town(force=True)
    assert len(again.traced) == PIECES
    assert store.read_manifest(path)["files"] == resumed


def test_a_world_is_loaded_into_the_tracer_once_and_only_if_needed(town):
    _, tracer = town()
    assert tracer.made == ["reality", "twin", "twin-los"]
    _, idle = town()
    assert (idle.made, idle.traced) == ([], [])
    town(stop_after=6, force=True)  # all four pieces of reality, two of the twin's
    _, rest = town(force=True)
    assert rest.made == ["twin", "twin-los"]


def test_progress_counts_all_pieces(town):
    told = []
    town(progress=lambda *report: told.append(report))
    assert [done for done, _, _ in told] == [*range(PIECES + 1), PIECES]
    assert {total for _, total, _ in told} == {PIECES}
    assert told[0][2] == "reality-0-0"
    assert [piece for _, _, piece in told[-2:]] == ["tracks", "gap and latency"]


def test_two_builders_at_once_trace_once(town, tmp_path, monkeypatch):
    together, traced, paths = threading.Barrier(2), [], []
    tracer = type(
        "Tracer", (FakeTracer,), {"made": [], "traced": traced, "louder_db": {}, "stop_after": -1, "clock": Clock()}
    )
    monkeypatch.setattr(builder, "Tracer", tracer)
    monkeypatch.setattr(builder, "open_recipe", lambda name: opened("none", 0))

    def build():
        together.wait(30)
        paths.append(builder.build("toytown", root=tmp_path))

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert paths == [tmp_path / "toytown"] * 2
    assert len(traced) == PIECES
    assert len(set(traced)) == PIECES


BUILD = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import test_builder as town
from stopping import wait_to_be_stopped
from twin_envs import cli
from twin_envs.world.building import builder, survey

class Tracer(town.FakeTracer):
    made, traced, louder_db, stop_after, clock = [], [], {}, int(sys.argv.pop(1)), town.Clock()
    def trace(self, *links):
        try:
            return super().trace(*links)
        except KeyboardInterrupt:
            wait_to_be_stopped()

builder.Tracer, survey.Surface, builder.TILE, survey.MARGIN_M = Tracer, town.Street, 100, 20.0
builder.perf_counter = Tracer.clock
builder.open_recipe = lambda name: town.opened("none", 0)
sys.argv[1:] = ["site", "build", "toytown"]
try:
    cli.main()
finally:
    print("traced", len(Tracer.traced))
"""


def test_a_build_that_ctrl_c_stops_says_so_and_goes_on_with_the_same_command(tmp_path, monkeypatch):
    monkeypatch.setenv("TWIN_ENVS_HOME", str(tmp_path))
    folder = str(Path(__file__).parent)
    status, said, errors = stopping.run(BUILD, folder, "5", stop=True)
    assert status == 130
    assert errors == "stopped; the same command goes on with the pieces that are finished\n"
    assert said.splitlines()[0].endswith("to go  surveying")
    assert "traced 5" in said
    assert [path.name for path in (tmp_path / "sites").iterdir()] == ["toytown.building"]
    status, said, errors = stopping.run(BUILD, folder, "-1", stop=False)
    assert (status, errors) == (0, "")
    assert f"traced {PIECES - 5}" in said
    assert [path.name for path in (tmp_path / "sites").iterdir()] == ["toytown"]


def test_a_build_that_goes_on_tells_what_is_left_only(town):
    town(stop_after=5)
    told = []
    town(progress=lambda done, total, piece: told.append(done))
    assert told == [*range(5, PIECES + 1), PIECES]
