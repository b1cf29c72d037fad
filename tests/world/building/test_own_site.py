"""From a scene to a site of one's own: draft, preview, build, export, with the commands that users type."""

import dataclasses
import os
import shlex
import shutil
from pkgutil import resolve_name

import gymnasium
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import twin_envs
from twin_envs import cli
from twin_envs.base.errors import ConfigurationError
from twin_envs.world.building.survey import survey
from twin_envs.world.recipe import open_recipe
from twin_envs.world.store.reading import read_manifest, verify

pytestmark = pytest.mark.rt

SCENE = """<scene version="2.1.0">
<bsdf type="itu-radio-material" id="wall"><string name="type" value="concrete"/><float name="thickness" value="0.2"/></bsdf>
<shape type="cube" id="ground">
  <transform name="to_world"><scale x="60" y="60" z="0.5"/><translate z="-0.5"/></transform><ref id="wall" name="bsdf"/>
</shape>
<shape type="cube" id="house">
  <transform name="to_world"><scale x="10" y="25" z="6"/><translate x="25" z="6"/></transform>
  <ref id="wall" name="bsdf"/>
</shape>
</scene>
"""  # noqa: E501


def write_scene(folder):
    (folder / "house.xml").write_text(SCENE)
    return str(folder / "house.xml")


def run(*arguments):
    result = CliRunner().invoke(cli.app, ["site", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A recipe and its built site: a house on open ground, drawn in Mitsuba's XML."""
    folder = tmp_path_factory.mktemp("place")
    write_scene(folder)
    before = os.getcwd()
    os.chdir(folder)
    try:
        run("new", "mine", "--scene", "house.xml", "--size-m", "40", "--aps", "2")
        picture = run("preview", "mine.toml", "--out", "mine.png")
        assert "ap-1" in picture
        assert (folder / "mine.png").read_bytes().startswith(b"\x89PNG")
        built = run("build", "mine.toml", "--out", "sites")
        assert "twin-envs codec train sites/mine" in built
        run("export", "sites/mine", "--points", "7", "--out", "mine.npz")
    finally:
        os.chdir(before)
    return folder


def test_the_scene_of_ones_own_is_hashed_in_the_manifest(place):
    manifest = read_manifest(place / "sites" / "mine")
    assert manifest["scene_files"].keys() == {"house.xml"}
    assert manifest["line_of_sight"].keys() == {"ap-0", "ap-1"}


def test_the_site_s_own_recipe_builds_it_again(place, monkeypatch, tmp_path):
    """As the command does that is printed where a file is damaged; a crop is traced alike twice."""
    site = shutil.copytree(place / "sites" / "mine", place / "copies" / "mine")
    first = read_manifest(site)["files"]
    (site / "map.safetensors").write_bytes(b"")
    (damaged,) = (check for check in verify(site) if not check.ok)
    _, _, *arguments = shlex.split(damaged.remedy)
    monkeypatch.chdir(tmp_path)
    run(*arguments)
    assert all(check.ok for check in verify(site))
    second = read_manifest(site)["files"]
    assert {name: file["sha256"] for name, file in second.items()} == {
        name: file["sha256"] for name, file in first.items()
    }


BRIDGE = """
<shape type="cube" id="bridge">
  <transform name="to_world"><scale x="5" y="30" z="0.5"/><translate x="-20" z="9"/></transform>
  <ref id="wall" name="bsdf"/>
</shape>
<shape type="rectangle" id="canopy">
  <transform name="to_world"><scale x="3" y="3"/><translate x="-35" z="8"/></transform>
  <ref id="wall" name="bsdf"/>
</shape>
</scene>
"""
UNDER_IT = """
name = "under"
scene = "bridge.xml"
scene_source = "-"
scene_licence = "-"
area_m = [-45.0, -25.0, 5.0, 25.0]
grid_m = 5.0
routes = {walking = 3, driving = 0, least_length_m = 15.0}
access_points = [{name = "under", position_m = [-20.0, 0.0, 6.0], yaw_rad = 0.0}]
worlds = {reality = {real = true}, twin = {}}
"""


def test_an_access_point_may_hang_under_a_bridge_and_a_rectangle_is_not_lost(tmp_path):
    scene = SCENE.replace("</scene>", BRIDGE)
    (tmp_path / "bridge.xml").write_text(scene)
    (tmp_path / "under.toml").write_text(UNDER_IT)
    found = twin_envs.preview_site(str(tmp_path / "under.toml")).survey
    assert found.line_of_sight["under"] > 0.5
    height_m = found.tensors["height_m"]
    assert height_m[25, 25] == 9.5  # the bridge
    assert height_m[25, 10] == 8.0  # the rectangle
    (tmp_path / "bridge.xml").write_text(scene.replace(' id="canopy"', ""))
    with pytest.raises(ConfigurationError, match="scene must give each rectangle an id, got one without in "):
        twin_envs.preview_site(str(tmp_path / "under.toml"))


def test_the_export_holds_each_link(place):
    with np.load(place / "mine.npz") as arrays:
        assert arrays["channel"].shape == (7, 2, 48, 16)
        assert arrays["gain"].shape == arrays["delay_s"].shape
        assert (np.diff(np.abs(arrays["gain"]), axis=-1) <= 1e-12).all()
        seen = arrays["line_of_sight"]
        distance_m = np.linalg.norm(arrays["position_m"][:, None] - arrays["ap_m"], axis=-1)
        assert seen.any()
        np.testing.assert_allclose(299_792_458 * arrays["delay_s"].min(-1)[seen], distance_m[seen], atol=0.6)


CROP = """
name = "crop"
scene = "etoile"
scene_source = "Etoile scene of Sionna RT"
scene_licence = "ODbL 1.0"
carrier_hz = 28e9
bandwidth_hz = 100e6
subcarrier_spacing_hz = 120e3
csi_blocks = 64
area_m = [5.0, 90.0, 45.0, 130.0]
grid_m = 3.0
array = {rows = 2, columns = 8}
routes = {walking = 20, driving = 20, least_length_m = 20.0}
access_points = [
  {name = "south", position_m = [20.0, 105.0, 8.0], yaw_rad = 0.42},
  {name = "north", position_m = [30.0, 128.0, 8.0], yaw_rad = -2.0},
]
[worlds.reality]
real = true
max_depth = 1
[worlds.twin]
max_depth = 1
[worlds.coarse]
max_depth = 0
"""


@pytest.fixture(scope="module")
def crop(tmp_path_factory):
    """40 m x 40 m of `etoile` at 28 GHz, with a twin of a name of its own."""
    folder = tmp_path_factory.mktemp("crop")
    (folder / "crop.toml").write_text(CROP)
    return twin_envs.build_site(str(folder / "crop.toml"), root=folder)


def test_every_environment_runs_on_a_crop_whose_worlds_have_other_names(crop):
    assert len(twin_envs.specifications()) >= 9
    for spec in twin_envs.specifications():
        task = resolve_name(spec.task)
        known = {field.name for field in dataclasses.fields(task.options)}
        chosen = {key: value for key, value in {"cluster_size": 2}.items() if key in known}
        env = gymnasium.make(spec.id, site=str(crop), num_ue=2, **chosen)
        observation, _ = env.reset(seed=0)
        for _ in range(2):
            observation, reward, *_ = env.step(env.action_space.sample())
            assert env.observation_space.contains(observation), spec.id
            assert np.isfinite(reward), spec.id


HILL = """
name = "hill"
scene = "san_francisco"
scene_source = "San Francisco scene of Sionna RT"
scene_licence = "ODbL 1.0"
area_m = [-168.0, -328.0, -128.0, -288.0]
grid_m = 3.0
array = {rows = 2, columns = 4}
routes = {walking = 10, driving = 5, least_length_m = 20.0}
access_points = [{name = "corner", position_m = [-129.0, -326.0, 88.4], yaw_rad = 2.0}]
[worlds.reality]
real = true
max_depth = 1
[worlds.twin]
max_depth = 1
"""


def test_on_a_hill_grid_ues_and_clutter_follow_the_ground(tmp_path):
    (tmp_path / "hill.toml").write_text(HILL)
    site = twin_envs.load_site(str(twin_envs.build_site(str(tmp_path / "hill.toml"), root=tmp_path)))
    ground, points = site.geometry.ground, site.geometry.point_m
    assert np.ptp(ground.height_m.numpy()) > 10
    np.testing.assert_allclose(points, ground.place(points[:, :2]), atol=1e-4)
    assert site.height_m.min() > -0.5  # no street is taken for a house, and no house for a street
    assert 0.2 < (site.height_m > 3).float().mean() < 0.8
    # What sees the AP has its direct path from where it stands on the hill.
    paths = site.twin("twin").paths(points, torch.zeros(len(points), dtype=torch.int64))
    seen = paths.line_of_sight
    assert seen.float().mean() > 0.3
    distance_m = (points - site.geometry.ap_position_m[0]).norm(dim=-1)
    np.testing.assert_allclose(paths.first_m[seen], distance_m[seen], atol=0.05)
    env = gymnasium.make("twin_envs/ApSelection-v1", site=str(site.path), num_ue=2, population="walkers")
    observation, _ = env.reset(seed=0)
    observation, reward, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    assert reward > 0


def test_a_draft_does_not_overwrite_and_an_access_point_put_in_the_house_is_refused(place):
    with pytest.raises(ConfigurationError, match="which is there already"):
        twin_envs.draft_site("mine", "etoile", folder=place)
    text = (place / "mine.toml").read_text()
    start, end = text.index("position_m"), text.index("yaw_rad")
    (place / "wrong.toml").write_text(text[:start] + "position_m = [25.0, 0.0, 8.0]\n" + text[end:])
    with pytest.raises(ConfigurationError, match=r"higher than 12.0 m .* inside a building; the nearest free place"):
        twin_envs.preview_site(str(place / "wrong.toml"))
    (place / "lost.toml").write_text(text.replace("house.xml", "hut.xml"))
    with pytest.raises(ConfigurationError, match=r"scene must be a Mitsuba scene's file, got '.*hut.xml'"):
        twin_envs.preview_site(str(place / "lost.toml"))


@pytest.mark.parametrize("place", ["etoile", "florence", "san_francisco"])
def test_the_recipes_that_ship_follow_from_the_draft_s_rule_and_can_be_built(place, tmp_path):
    """The variants of a place share its area, and their access points are the first of its small cells."""
    _, whole = open_recipe(f"{place}-cellfree")
    drafted = twin_envs.draft_site(place, place, folder=tmp_path, area_m=whole.area_m, num_aps=12)
    assert open_recipe(str(drafted))[1].access_points == whole.access_points
    for variant, aps in (("", 6), ("-28ghz", 4)):
        _, recipe = open_recipe(place + variant)
        assert recipe.access_points == whole.access_points[:aps]
        for field in ("scene", "area_m", "grid_m", "routes", "seed", "gap"):
            assert getattr(recipe, field) == getattr(whole, field)
    found = survey(whole)
    assert found.remarks == ()
    assert all(share > 0 for share in found.line_of_sight.values())


def test_a_draft_takes_an_area_in_the_scene_and_refuses_another(tmp_path):
    with pytest.raises(ConfigurationError, match=r"area_m must lie in the scene '.*house.xml', x from -60.0 to 60.0 m"):
        twin_envs.draft_site("mine", write_scene(tmp_path), folder=tmp_path, area_m=(40.0, 0.0, 80.0, 40.0))
    with pytest.raises(ConfigurationError, match=r"area_m must hold walls along streets for 2 APs, got .* 0"):
        twin_envs.draft_site("mine", write_scene(tmp_path), folder=tmp_path, area_m=(-50.0, 0, -20.0, 30.0), num_aps=2)
    assert not (tmp_path / "mine.toml").exists()
