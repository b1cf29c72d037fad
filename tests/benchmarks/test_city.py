"""What a city costs: figures are counted as they are said to be, and the recipe is the draft of a user."""

import json

import numpy as np
import pytest

from twin_envs.benchmarks import city
from twin_envs.world.recipe import open_recipe
from twin_envs.world.store.reading import PACKAGED_SITES, read_manifest, read_tensors
from twin_envs.world.store.site import load_site

SITE = "munich-cellfree"


def test_links_paths_and_bytes_are_those_of_the_files():
    folder = PACKAGED_SITES / SITE
    found, manifest, site = city.counted(folder), read_manifest(folder), load_site(SITE)
    points = len(site.geometry.point_m)
    assert found["links"] == found["links_without_reach"] == 20 * points
    assert (found["aps"], found["grid_points"], found["area_km2"]) == (20, points, 0.24**2)
    assert found["routes_off_grid"] == 0
    for world, figures in found["worlds"].items():
        count = read_tensors(folder, f"world-{world}.safetensors")["count"].long()
        assert figures["paths"] == count.sum()
        assert figures["links_with_paths"] == pytest.approx((count > 0).float().mean().item())
        size = manifest["files"][f"world-{world}.safetensors"]["bytes"]
        assert figures["disk_bytes_per_path"] * figures["paths"] == pytest.approx(size)
        assert figures["memory_mb"] > figures["disk_mb"]


def test_a_site_that_is_there_is_not_built_again(monkeypatch, tmp_path):
    def alone(work, *more):
        return {"work": work.__name__, "seconds": {"twin": {"core_s": 2.0}}, "links": 8, "worlds": {"twin": {}}}

    monkeypatch.setattr(city, "alone", alone)
    monkeypatch.setattr(city, "plan", lambda *asked: {"asked": asked[1:]})
    monkeypatch.setattr(city, "write_recipe", lambda size, path: path.write_text("drafted"))
    first = city.figures(city.QUICK, tmp_path, 0)
    assert first["building"]["work"] == "building"
    assert list(first["stepping"]) == ["1", "4"]
    assert first["worlds"]["twin"]["links_per_core_s"] == 4.0
    earlier = {"work": "earlier", "seconds": {"twin": {"core_s": 1.0}}}
    (tmp_path / "building.json").write_text(json.dumps(earlier))
    assert city.figures(city.QUICK, tmp_path, 0)["building"] == earlier


def test_a_larger_city_costs_in_proportion():
    seconds = {"survey": 10.0, "reality": 300.0, "twin": 60.0, "tracks": 20.0, "gap and latency": 16.0}
    world = {"disk_mb": 100.0, "memory_mb": 1000.0}
    found = {
        "building": {"seconds": {part: {"core_s": spent} for part, spent in seconds.items()}},
        "worlds": {"reality": world, "twin": world},
        "links": 1000,
        "grid_m": 10.0,
        "aps": 50,
        "area_km2": 1.0,
        "map_mb": 2.0,
    }
    same = city.plan(found, 50, 1.0, 10.0)
    assert same == pytest.approx(
        {"links": 1000, "tracing_core_h": 0.1, "other_core_h": 46 / 3600, "disk_gb": 0.202, "tables_gb": 2.0}
    )
    larger = city.plan(found, 100, 10.0, 5.0)
    assert larger == pytest.approx(
        {"links": 8000, "tracing_core_h": 0.8, "other_core_h": 388 / 3600, "disk_gb": 1.62, "tables_gb": 16.0}
    )


def test_memory_is_told_after_each_stage():
    found = city.stepping(PACKAGED_SITES / SITE, 2, 3, 0)
    assert found["steps"] == 6
    assert list(found["resident_mb"]) == ["packages", "map", "environments", "reset", "steps"]
    assert found["peak_memory_mb"] >= 0.99 * max(found["resident_mb"].values())
    assert np.isfinite(list(found["resident_mb"].values())).all()


@pytest.mark.rt
def test_the_city_is_a_draft_with_a_reach(tmp_path):
    city.write_recipe(city.QUICK, tmp_path / "city.toml")
    _, recipe = open_recipe(str(tmp_path / "city.toml"))
    assert len(recipe.access_points) == city.QUICK.aps
    assert (recipe.grid_m, recipe.reach_m) == (city.QUICK.grid_m, city.QUICK.reach_m)
    assert {world.samples for world in recipe.worlds.values()} == {city.QUICK.samples}
