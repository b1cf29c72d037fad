"""The page about a site: what it holds is the site's, it needs nothing else, and a browser draws it."""

import base64
import dataclasses
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

import twin_envs
from twin_envs.base.errors import ConfigurationError
from twin_envs.world.building import showing
from twin_envs.world.store.site import load_site

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NASTY = "</script><b>&\"'"


def held(page):
    """The data in a page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def decoded(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = twin_envs.show_site("munich-28ghz", tmp_path_factory.mktemp("page") / "munich.html")
    return path.read_text(encoding="utf-8")


def test_gains_heights_and_grid_are_the_site_s(page):
    site, data = load_site("munich-28ghz"), held(page)
    assert data["worlds"].keys() == site.recipe.worlds.keys()
    for world, told in data["worlds"].items():
        gain = site.reality(world).gain.numpy()
        shown = decoded(told["gain_tenth_db"], "<i2").reshape(gain.shape)
        there = gain > 0
        assert np.array_equal(shown > -32768, there)
        np.testing.assert_allclose(shown[there] / 10, 10 * np.log10(gain[there]), atol=0.051)
        assert told["coverage"] == site.manifest["coverage"][world]
    ny, nx = data["heights"]["shape"]
    np.testing.assert_allclose(
        decoded(data["heights"]["dm"], "<i2").reshape(ny, nx) / 10, site.height_m.numpy(), atol=0.051
    )
    cells = decoded(data["cells"]["point"], "<i4").reshape(data["cells"]["shape"])
    assert np.array_equal(cells, site.geometry.cell_of.numpy())
    # What serves by the page's threshold is what the manifest counts as served.
    shown = decoded(data["worlds"]["twin"]["gain_tenth_db"], "<i2") / 10
    share = (shown >= data["least_gain_db"]).mean()
    assert share == pytest.approx(site.manifest["coverage"]["twin"]["links"], abs=2e-3)


def test_ues_of_all_kinds_move_on_the_streets(page):
    site, data = load_site("munich-28ghz"), held(page)
    assert {ue["kind"] for ue in data["ues"]} == {"walking", "driving", "standing", "parked"}
    for ue in data["ues"]:
        way_m = np.array(ue["dm"]).reshape(-1, 2) / 10
        span_m = np.linalg.norm(way_m - way_m[0], axis=-1).max()
        step_m = np.linalg.norm(np.diff(way_m, axis=0), axis=-1)
        fastest_m_s = {"walking": 2.3, "driving": 18.0, "standing": 0.3, "parked": 0.0}[ue["kind"]]
        assert step_m.max() <= fastest_m_s * data["step_s"] + 0.2
        assert (span_m > 5.0) == (ue["kind"] in ("walking", "driving"))
        assert (site.geometry.cell(site.geometry.point_m.new_tensor(way_m)) >= 0).all()
    again = showing.describe(site, 12, 0)
    assert again["ues"] == data["ues"]
    assert showing.describe(site, 12, 1)["ues"] != data["ues"]


def test_the_page_needs_no_other_file(page):
    code = re.sub(r'id="data">.*?</script>', "", page, flags=re.DOTALL)
    assert not re.search(r"https?://|<link|<img|src=|@import|url\(|fetch\(|XMLHttp", code)


@pytest.fixture
def nasty(monkeypatch, tmp_path):
    """A page about a site whose names are markup."""
    site = load_site("munich-28ghz")
    first, *others = site.recipe.access_points
    aps = (dataclasses.replace(first, name=NASTY), *others)
    recipe = dataclasses.replace(site.recipe, name=NASTY, scene_source=NASTY, access_points=aps)
    members = {key: getattr(site, key) for key in ("manifest", "geometry", "height_m", "routes", "reality")}
    monkeypatch.setattr(showing, "load_site", lambda name: SimpleNamespace(recipe=recipe, **members))
    return showing.show("any", tmp_path / "nasty.html")


def test_names_are_texts(nasty):
    page = nasty.read_text(encoding="utf-8")
    assert NASTY not in page
    assert page.count("</script>") == 2
    assert "<title>&lt;/script&gt;&lt;b&gt;&amp;&quot;&#x27;</title>" in page
    data = held(page)
    assert data["name"] == data["aps"][0]["name"] == NASTY


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_browser_draws_the_page(nasty, tmp_path):
    told = nasty.read_text(encoding="utf-8").replace(
        "paint();\n</script>", 'find("#colour").value = "gap"; paint(); tell({clientX: 200, clientY: 200});\n</script>'
    )
    nasty.write_text(told, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    run = subprocess.run(
        [BROWSER, *options, "--dump-dom", nasty.as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert "<h1>&lt;/script&gt;&lt;b&gt;&amp;\"'</h1>" in run.stdout
    assert "20.0 s</span>" in run.stdout  # it has drawn
    assert "served in reality only" in run.stdout
    assert re.search(r'<div id="told">x -?[\d.]+ m, y -?[\d.]+ m', run.stdout)


def test_no_ues_at_all_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="num_ue must be from 1 to 200, got 0"):
        twin_envs.show_site("munich-28ghz", tmp_path / "x.html", num_ue=0)
