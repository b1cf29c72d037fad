"""Sites in memory: what they hold, what they refuse, and that reality is asked for by its own name only."""

import gc
import itertools
import logging
import os
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import flip_bit
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.base.units import linear_to_db
from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.clutter import occupied
from twin_envs.world.recipe import load_recipe, recipe_text
from twin_envs.world.store import reading, writing
from twin_envs.world.store import site as site_module
from twin_envs.world.store.reading import PACKAGED_SITES, read_recipe, read_tensors, verify
from twin_envs.world.store.site import MAP_FILE, Site, geometry_of, kept_by_site, load_site, world_file
from twin_envs.world.store.writing import add_tensors, build_site

RECIPE = """
name = "toytown"
scene = "munich"
scene_source = "nowhere"
scene_licence = "none"
area_m = [10, 20, 40, 60]
grid_m = 10.0
array = {rows = 1, columns = 4}
access_points = [
  {name = "one", position_m = [12, 22, 8], yaw_rad = 0.0},
  {name = "two", position_m = [38, 22, 8], yaw_rad = 1.0},
]
worlds = {reality = {real = true}, twin = {}, twin-los = {max_depth = 0}}
"""
POINT_M = np.array([[x, y, 1.5] for y in range(20, 61, 10) for x in range(10, 41, 10)], np.float32)
ROUTE_M = 20


def world(gain_db):
    """Line of sight of `gain_db` from both APs to every grid point."""
    recipe = load_recipe(RECIPE)
    fields = empty_paths(len(POINT_M), 1)
    fields["gain"][:], fields["line_of_sight"][:] = 10 ** (gain_db / 20), True
    packed = {k: torch.from_numpy(v) for k, v in pack_paths(TracedPaths(**fields)).items()}
    both = {k: torch.cat([v, v]) for k, v in packed.items()}
    antenna_m = torch.from_numpy(antenna_positions_m(recipe, np.zeros(2)))
    tensors = {**both, "count": both["count"].view(2, -1)}
    return {**tensors, "track": track_paths(geometry_of(recipe, map_tensors()), tensors), "antenna_m": antenna_m}


def map_tensors():
    along = torch.arange(ROUTE_M + 1.0)
    return {
        "height_m": torch.zeros(41, 31, dtype=torch.float16),
        "sky_view": torch.ones(41, 31, dtype=torch.float16),
        "route_points_cm": (100 * torch.stack([12 + along, torch.full_like(along, 30.0)], -1)[None]).short(),
        "route_length_m": torch.tensor([float(ROUTE_M)]),
        "route_kind": torch.zeros(1, dtype=torch.int64),
        "point_m": torch.from_numpy(POINT_M),
        "cell_of": torch.arange(20, dtype=torch.int32).view(5, 4),
    }


GAINS_DB = {"reality": -90.0, "twin": -80.0, "twin-los": -85.0}
FILES = {MAP_FILE: map_tensors(), **{world_file(name): world(gain_db) for name, gain_db in GAINS_DB.items()}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A site called toytown among the user's sites."""
    monkeypatch.setenv("TWIN_ENVS_HOME", str(tmp_path))
    about = {"gap": {"twin": {"gain_mae_db": 10.0}}}
    path = build_site("toytown", RECIPE, lambda writer: writer.publish(FILES, about), versions={})
    return path


def test_a_site_is_what_was_published(folder):
    site = load_site("toytown")
    assert site.path == folder
    assert site.recipe == load_recipe(RECIPE)
    assert site.manifest["gap"]["twin"]["gain_mae_db"] == 10.0
    assert site.twins == ["twin", "twin-los"]
    assert site.height_m.shape == (41, 31)
    assert site.height_m.dtype == torch.float32
    torch.testing.assert_close(site.geometry.ap_position_m, torch.tensor([[12.0, 22.0, 8.0], [38.0, 22.0, 8.0]]))
    gains = [site.twin("twin"), site.twin("twin-los"), site.reality("reality")]
    for atlas, gain_db in zip(gains, (-80.0, -85.0, -90.0)):
        torch.testing.assert_close(atlas.gain, torch.full((2, 20), 10 ** (gain_db / 10)), rtol=1e-3, atol=0)
        assert atlas.line_of_sight.all()


def test_positions_fall_on_the_nearest_grid_point(folder):
    geometry = load_site("toytown").geometry
    rng = np.random.default_rng(0)
    position = rng.uniform((5.1, 15.1), (44.9, 64.9), (500, 2))
    nearest = np.linalg.norm(position[:, None] - POINT_M[:, :2], axis=-1).argmin(-1)
    assert geometry.cell(torch.tensor(position, dtype=torch.float32)).tolist() == nearest.tolist()
    outside = torch.tensor([[4.9, 30.0], [45.1, 30.0], [20.0, 14.9], [20.0, 65.1]])
    assert geometry.cell(outside).tolist() == [-1] * 4


def test_maps_lie_where_the_area_lies(folder):
    site = load_site("toytown")
    site.sky_view.values[5, 3] = 0.25  # 3 m along x and 5 m along y from the lower left corner
    assert site.sky_view.at(torch.tensor([13.2, 24.8])).item() == 0.25
    assert site.sky_view.at(torch.tensor([13.2, 26.0])).item() == 1.0
    assert site.routes.length_m.tolist() == [ROUTE_M]
    assert site.routes.points[0, 7].tolist() == [19.0, 30.0]


def test_a_site_is_loaded_once_for_each_device(folder):
    assert load_site("toytown") is load_site("toytown", "cpu")
    assert load_site(str(folder)) is load_site("toytown")
    assert load_site("toytown").twin("twin") is load_site("toytown").reality("twin")


def test_reality_is_not_a_twin(folder):
    site = load_site("toytown")
    with pytest.raises(ConfigurationError, match="twin must be one of 'twin', 'twin-los', got 'reality'"):
        site.twin("reality")
    with pytest.raises(ConfigurationError, match=r"world must be one of .*'twin-lo'; did you mean 'twin-los'"):
        site.reality("twin-lo")
    for name in ("reality", "twin"):
        with pytest.raises(ConfigurationError, match="file must be one of"):
            site.tensors(world_file(name))


def test_other_files_are_read_by_name(folder):
    add_tensors(folder, "codecs/toy.safetensors", {"weight": torch.arange(3.0)}, command="make it", notes={})
    assert load_site("toytown").tensors("codecs/toy.safetensors")["weight"].tolist() == [0, 1, 2]
    with pytest.raises(ConfigurationError, match=r"'codecs/tor.safetensors'; did you mean 'codecs/toy.safetensors'"):
        load_site("toytown").tensors("codecs/tor.safetensors")


DAMAGES = {"flip": flip_bit, "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]), "remove": Path.unlink}


@pytest.mark.parametrize("file", [MAP_FILE, "world-reality.safetensors", "world-twin.safetensors", "recipe.toml"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_name(folder, file, damage):
    DAMAGES[damage](folder / file)

    def load():
        site = load_site("toytown")
        return site.twin("twin"), site.reality("reality")

    with pytest.raises(SiteError, match=rf"{file}.*`twin-envs site build .*toytown.* --force`"):
        load()


# The sites that ship with the package

SHIPPED = ("indoor-factory", "munich", "munich-28ghz", "munich-cellfree", "munich-near-field", "munich-uav")
IN_STREETS = SHIPPED[1:4]
"""Those of a whole quarter whose UEs are on the ground."""
TWINS = ("twin-los", "twin-depth1", "twin", "twin-diffraction")
"""From the cheapest to the dearest; each site has some of them."""


@pytest.fixture(params=IN_STREETS)
def shipped(request):
    return load_site(request.param)


def twins_of(site):
    return [world for world in TWINS if world in site.twins]


def test_the_package_ships_these_sites_and_a_recipe_of_each():
    assert sorted(path.name for path in PACKAGED_SITES.iterdir()) == list(SHIPPED)
    for name in SHIPPED:
        assert read_recipe(PACKAGED_SITES / name) == recipe_text(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_site_is_intact_and_no_larger_than_12_mb_and_its_codecs_small(name):
    shipped = load_site(name)
    assert all(check.ok for check in verify(shipped.path))
    codecs = [path.stat().st_size for path in shipped.path.glob("codec-*")]
    assert sum(path.stat().st_size for path in shipped.path.iterdir()) - sum(codecs) <= 12e6
    assert max(codecs, default=0) <= 1.5e6
    assert twins_of(shipped) == sorted(shipped.twins, key=TWINS.index)


def test_access_points_hang_in_the_open(shipped):
    real = read_tensors(shipped.path, world_file("reality"))
    crowns, boxes = real["crowns"].numpy(), real["boxes"].numpy()
    assert len(crowns) > 10
    x0, y0 = shipped.recipe.area_m[:2]
    for ap in shipped.recipe.access_points:
        x, y, z = ap.position_m
        surface_m = shipped.height_m[round(y - y0), round(x - x0)].item()
        # On a roof or, as all the others, over the street.
        assert surface_m < z - 1 if ap.name == "roof" else surface_m < 0.5
        assert (np.linalg.norm(crowns[:, :3] - (x, y, z), axis=-1) > crowns[:, 3]).all()
        assert not occupied(boxes.astype(float), np.array([[x, y]]), 0.5).any()


def test_nothing_that_worlds_share_tells_where_clutter_stands(shipped):
    """Whoever takes it to stand where grid or routes leave the street out finds no more of it than anywhere."""
    boxes = read_tensors(shipped.path, world_file("reality"))["boxes"].numpy().astype(float)
    to_wall = distance_transform_edt(shipped.height_m.numpy() < 0.5)
    row, column = np.nonzero(to_wall >= 2)  # m
    street = np.column_stack([column, row]) + np.array(shipped.recipe.area_m[:2])
    held = occupied(boxes, street, 0.0)
    points, routes = shipped.geometry.point_m[:, :2].numpy(), shipped.routes.points.flatten(0, 1).numpy()
    far_from_grid = KDTree(points).query(street)[0] > 0.75 * shipped.recipe.grid_m
    far_from_routes = KDTree(routes).query(street)[0] > 1.5
    assert held.mean() > 0.03
    for guess in (far_from_grid, far_from_routes):
        assert not guess.any() or held[guess].mean() < 1.5 * held.mean()


def test_the_gap_of_a_shipped_site_is_that_of_published_ray_tracing(shipped):
    gap = shipped.manifest["gap"]
    assert list(gap) == shipped.twins
    assert 4 <= gap["twin"]["gain_mae_db"] <= 8


def test_a_dearer_twin_serves_more_of_the_links_that_reality_serves(shipped):
    mismatch = [shipped.manifest["gap"][world]["coverage_mismatch"] for world in twins_of(shipped)]
    assert all(after < before for before, after in itertools.pairwise(mismatch))


@pytest.mark.parametrize("name", ["munich-28ghz", "munich-cellfree"])
def test_a_dearer_twin_errs_less_over_all_that_reality_serves_and_answers_later(name):
    """Where the twin has no path its gain is the floor. (Over the links that both serve a cheap twin errs less: it has
    only the easy ones.)"""
    site = load_site(name)
    assert set(site.manifest["latency_s"]) == set(site.twins)
    real = site.reality("reality").gain
    served = real > 0
    error_db = []
    for world in twins_of(site):
        gain = site.twin(world).gain.clamp_min(10 ** (site.recipe.floor_db / 10))
        error_db.append((linear_to_db(gain) - linear_to_db(real)).abs()[served].mean().item())
    assert error_db == sorted(error_db, reverse=True)
    assert error_db[-1] < error_db[0] - 1.5
    latency_s = [site.manifest["latency_s"][world] for world in twins_of(site)]
    assert latency_s == sorted(latency_s)
    assert 0 < latency_s[0] < 0.7 * latency_s[-1]


def test_every_place_of_munich_cellfree_hears_several_access_points():
    site = load_site("munich-cellfree")
    heard = site.reality("reality").gain > 0
    assert 1 / 4 < heard.float().mean() < 1 / 2
    assert (heard.sum(0) >= 5).float().mean() > 0.8
    assert heard.float().mean(1).min() > 0.1  # no access point is wasted


def test_munich_28ghz_has_beams_to_choose_from():
    """The strongest of 64 beams differs from place to place, and is worth having."""
    site = load_site("munich-28ghz")
    atlas = site.reality("reality")
    ap, cell = (atlas.gain > 0).nonzero(as_tuple=True)
    ap, cell = ap[::10], cell[::10]
    h = atlas.channel(atlas.paths(site.geometry.point_m[cell], ap), torch.zeros(1))[:, 0]
    power = torch.fft.fft2(h.unflatten(-1, (4, 16)), norm="ortho").abs().square().flatten(1)
    assert len(power.argmax(-1).unique()) > 32
    # A beam has up to 18 dB over an element on one path, less where power comes from several directions.
    over_element_db = linear_to_db(power.amax(-1) / h.abs().square().mean(-1))
    assert 12 < over_element_db.median() < 18.1


def test_an_unknown_site_is_refused_with_the_nearest(folder):
    with pytest.raises(SiteError, match="unknown site 'toytow'; did you mean 'toytown'"):
        load_site("toytow")
    with pytest.raises(SiteError, match=r"not built yet.*`twin-envs site build munich-mild`"):
        load_site("munich-mild")


def test_a_site_that_is_rebuilt_is_loaded_anew_even_if_the_clock_has_gone_back(folder):
    before, manifest = load_site("toytown"), folder / "manifest.json"
    times = manifest.stat().st_atime_ns, manifest.stat().st_mtime_ns
    add_tensors(folder, "more.safetensors", {}, command="make more", notes={})
    os.utime(manifest, ns=times)
    assert load_site("toytown") is not before
    assert "more.safetensors" in load_site("toytown").manifest["files"]


@pytest.mark.parametrize(("newer", "level"), [("sites", "INFO"), ("packaged", "WARNING")])
def test_which_of_two_copies_is_loaded_is_in_the_log_once(folder, tmp_path, monkeypatch, caplog, newer, level):
    shipped = tmp_path / "packaged"
    if newer == "packaged":
        build_site("toytown", RECIPE, lambda writer: writer.publish(FILES, {}), versions={"builder": "1"}, root=shipped)
    else:
        shutil.copytree(folder, shipped / "toytown")
    for module in (reading, writing, site_module):
        monkeypatch.setattr(module, "PACKAGED_SITES", shipped)
    monkeypatch.setattr(logging.getLogger(site_module.__name__), "disabled", False)
    caplog.set_level("INFO", logger=site_module.__name__)
    for _ in range(2):
        assert load_site("toytown").path == tmp_path / newer / "toytown"
    ((_, said, text),) = [record for record in caplog.record_tuples if record[0] == site_module.__name__]
    assert logging.getLevelName(said) == level
    assert f"{tmp_path / newer / 'toytown'} is used" in text


def test_what_a_site_keeps_is_made_once_for_each_argument_and_site(folder):
    made = []

    @kept_by_site
    def gain(site, world):
        made.append(world)
        return site.twin(world).gain

    site, other = (Site(folder, torch.device("cpu")) for _ in range(2))
    assert gain(site, "twin") is gain(site, "twin")
    assert gain(site, "twin") is not gain(other, "twin")
    assert not torch.equal(gain(site, "twin-los"), gain(site, "twin"))
    assert made == ["twin", "twin", "twin-los"]


def test_what_a_site_keeps_does_not_keep_the_site(folder):
    kept_by_site(lambda site: site)(site := Site(folder, torch.device("cpu")))
    atlas, site = weakref.ref(site.twin("twin")), None
    gc.collect()
    assert atlas() is None
