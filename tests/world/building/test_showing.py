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

from twin_envs.world.building import showing
from twin_envs.world.store.site import load_site

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NASTY = "</script><b>&\"'"
TIMES, UES = 5, 3


def made_up(title="any"):
    """An episode of three UEs, of which something is unknown at first."""
    rng = np.random.default_rng(0)
    age_ms = np.where(np.arange(TIMES)[:, None] > 0, rng.uniform(0, 40, (TIMES, UES)), np.nan)
    return showing.Episode(
        title=title,
        time_s=0.02 * np.arange(TIMES),
        ue_m=rng.uniform(-50, 30, (TIMES, UES, 2)),
        ue_std_m=rng.uniform(0.5, 3, (TIMES, UES)),
        serving=tuple(((time % 2, 0), (1, 2)) for time in range(TIMES)),
        notes={"CSI age [ms]": age_ms},
    )


def held(page):
    """The data in a page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def decoded(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = showing.write_page("munich-28ghz", tmp_path_factory.mktemp("page") / "munich.html", made_up())
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


def test_the_episode_is_told_as_it_was(page):
    told, episode = held(page)["episode"], made_up()
    assert (told["title"], told["ues"]) == ("any", UES)
    np.testing.assert_allclose(told["time_s"], episode.time_s)
    np.testing.assert_allclose(decoded(told["dm"], "<i2").reshape(TIMES, UES, 2) / 10, episode.ue_m, atol=0.051)
    np.testing.assert_allclose(decoded(told["std_dm"], "<i2").reshape(TIMES, UES) / 10, episode.ue_std_m, atol=0.051)
    assert told["serving"] == [[time % 2, 0, 1, 2] for time in range(TIMES)]
    ages = told["notes"]["CSI age [ms]"]
    assert ages[0] == [None] * UES
    np.testing.assert_allclose(ages[1:], episode.notes["CSI age [ms]"][1:], rtol=1e-3)


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
    return showing.write_page("any", tmp_path / "nasty.html", made_up(NASTY))


def test_names_are_texts(nasty):
    page = nasty.read_text(encoding="utf-8")
    assert NASTY not in page
    assert page.count("</script>") == 2
    assert "<title>&lt;/script&gt;&lt;b&gt;&amp;&quot;&#x27;</title>" in page
    data = held(page)
    assert data["name"] == data["aps"][0]["name"] == data["episode"]["title"] == NASTY


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
    assert "0.04 s</span>" in run.stdout  # it has drawn
    assert "served in reality only" in run.stdout
    assert re.search(r'<div id="told">x -?[\d.]+ m, y -?[\d.]+ m', run.stdout)
