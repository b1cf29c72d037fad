"""What the recipes that ship take to build: counted as it is said to be, kept site by site, and within 20 minutes."""

import json

import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import THERMAL_NOISE_DBM_HZ
from twin_envs.benchmarks import sites
from twin_envs.benchmarks.report.tables import RESULTS
from twin_envs.world.recipe import load_recipe, recipe_names, recipe_text
from twin_envs.world.store.reading import PACKAGED_SITES, read_tensors
from twin_envs.world.store.site import load_site

TOWNS = {
    place + variant for place in ("etoile", "florence", "san_francisco") for variant in ("", "-cellfree", "-28ghz")
}
ON_DEMAND = TOWNS | {"munich-60ghz"}


def test_the_recipes_are_those_that_are_not_built_in_the_package():
    assert set(sites.recipes()) == ON_DEMAND
    assert {name for name in recipe_names() if name.partition("-")[0] != "munich"} >= TOWNS


@pytest.mark.parametrize("name", sites.recipes())
def test_a_crop_is_the_recipe_in_a_small_area(name):
    whole, small = load_recipe(recipe_text(name)), load_recipe(sites.crop(name))
    x0, y0, x1, y1 = small.area_m
    assert (x1 - x0, y1 - y0) == (sites.CROP_M, sites.CROP_M)
    x, y, _ = whole.access_points[0].position_m
    assert (x, y) == ((x0 + x1) / 2, (y0 + y1) / 2)
    assert small.access_points[0] == whole.access_points[0]
    assert set(small.access_points) < set(whole.access_points)
    assert small.worlds.keys() <= whole.worlds.keys()
    same = ("name", "scene", "scene_licence", "carrier_hz", "csi_blocks", "transmit_power_dbm", "array", "seed", "gap")
    assert [getattr(small, field) for field in same] == [getattr(whole, field) for field in same]


def test_what_a_site_has_is_counted_in_its_files():
    folder = PACKAGED_SITES / "munich-28ghz"
    found, site = sites.found(folder), load_site(str(folder))
    recipe, atlas = site.recipe, site.twin("twin-los")
    assert (found["aps"], found["grid_points"]) == (6, len(site.geometry.point_m))
    noise_dbm = THERMAL_NOISE_DBM_HZ + 80 + recipe.noise_figure_db
    array = recipe.array.rows * recipe.array.columns
    served = array * atlas.gain >= 10 ** ((noise_dbm - recipe.transmit_power_dbm) / 10)
    assert found["worlds"]["twin-los"]["links_served"] == int(served.sum())
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert found["disk_mb"] == pytest.approx((sum(sizes.values()) - sizes["manifest.json"]) / 1e6)
    assert found["routes"] == len(read_tensors(folder, "map.safetensors")["route_kind"])


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A function that runs the benchmark on `runs.json` and returns its figures, and the list of what was built."""
    built, path = [], tmp_path / "runs.json"

    def figures_of(name, root, **settings):
        built.append(name)
        return {"wall_s": 3.0, "core_s": float(len(built)), "disk_mb": 1.0, "random": settings["seed"]}

    def main(**asked):
        built.clear()
        sites.main(**{"quick": False, "seed": 0, "site": None, "folder": tmp_path, "json_path": path, **asked})
        document = json.loads(path.read_text())
        assert document["benchmark"] == "sites"
        return document["figures"]

    monkeypatch.setattr(sites, "figures_of", figures_of)
    main.built = built
    return main


def test_sites_are_built_that_the_result_lacks_and_each_says_where_it_comes_from(run):
    first = run(site=["florence"], seed=7)
    assert run.built == ["florence"]
    assert first["florence"].keys() >= {"commit", "dirty", "cores"}
    whole = run()
    assert run.built == [name for name in sites.recipes() if name != "florence"]
    assert list(whole) == sites.recipes()
    assert whole["florence"] == first["florence"]
    assert (whole["florence"]["seed"], whole["etoile"]["seed"]) == (7, 0)
    assert run() == whole
    assert run.built == []
    again = run(site=["etoile", "munich"])
    assert run.built == ["etoile", "munich"]
    assert again.keys() == {*whole, "munich"}


def test_crops_and_whole_sites_are_not_mixed(run):
    run(site=["florence"])
    assert run(quick=True, site=["etoile"]).keys() == {"etoile"}


def test_an_unknown_site_is_refused_before_one_is_built(run):
    with pytest.raises(ConfigurationError, match=r"site must be one of .* got 'florenz'; did you mean 'florence'"):
        run(site=["etoile", "florenz"])
    assert run.built == []


def test_what_is_committed_was_built_whole_in_twenty_minutes():
    document = json.loads((RESULTS / "sites.json").read_text(encoding="utf-8"))
    assert document["provenance"]["arguments"] == {"quick": False}
    assert document["figures"].keys() <= ON_DEMAND
    for name, figures in document["figures"].items():
        recipe = load_recipe(recipe_text(name))
        assert not figures["dirty"]
        assert figures["core_s"] <= 20 * 60  # of one core: two are not slower
        assert figures["aps"] == len(recipe.access_points)
        assert figures["worlds"].keys() == recipe.worlds.keys()
        assert figures["gap"]["twin"]["gain_mae_db"] > 0
        assert all(earned > 0 for earned in figures["random"].values())


def test_no_constant_was_chosen_on_these_sites():
    """What is chosen, comparisons choose."""
    for file in RESULTS.glob("decisions-*.json"):
        for compared in json.loads(file.read_text(encoding="utf-8"))["figures"].values():
            assert compared["site"]["name"] not in ON_DEMAND
