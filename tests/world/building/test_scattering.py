"""A twin world traced once more with walls that scatter, by a ray tracer that is a formula, and kept with the site."""

import math
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from twin_envs import cli
from twin_envs.base.errors import ConfigurationError
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.building import scattering
from twin_envs.world.store.reading import PACKAGED_SITES, read_manifest, verify
from twin_envs.world.store.site import load_site


class FakeTracer:
    """Free space: the direct path, and two waves of a quarter of its power each, scattered a metre before the UE."""

    def __init__(self, recipe, world, clutter, scattering):
        assert not world.real
        assert not len(clutter.boxes)
        assert not clutter.yaw_error_rad.any()
        self.recipe, self.places = recipe, world.max_paths

    def trace(self, ap, positions_m):
        asked.append(len(positions_m))
        step = positions_m - np.array(self.recipe.access_points[ap].position_m)
        length_m = np.linalg.norm(step, axis=-1)
        fields = empty_paths(len(positions_m), self.places)
        fields["gain"][:, :3] = (self.recipe.wavelength_m / (4 * np.pi * length_m))[:, None] * [1.0, 0.5, 0.5]
        fields["length_m"][:, :3], fields["source_m"][:, 1:3] = length_m[:, None], 1.0
        fields["departure"][:, :3] = fields["arrival"][:, :3] = (step / length_m[:, None])[:, None]
        fields["line_of_sight"][:, 0] = True
        return TracedPaths(**fields)


asked = []
"""At how many places each access point was traced."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the packaged site in a folder of its own, its twin without reflections traced anew."""
    folder = shutil.copytree(PACKAGED_SITES / "munich", tmp_path_factory.mktemp("sites") / "munich")
    asked.clear()  # a worker may make this more than once
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scattering, "Tracer", FakeTracer)
        said = CliRunner().invoke(cli.app, ["site", "scatter", str(folder), "--world", "twin-los"])
        assert said.exit_code == 0, said.output
        with pytest.raises(ConfigurationError, match="world must be one of"):
            scattering.trace_scattering(str(folder), world="reality", progress=print)
    return folder


def test_the_twin_has_its_own_paths_and_beside_them_all_that_is_scattered_in_one(copy):
    site = load_site(str(copy))
    both, own = site.scattering_twin("twin-los"), site.twin("twin-los")
    scattered = both.interactions().scattered
    assert int(scattered.sum()) == own.gain.numel()
    assert int((~scattered).sum()) == len(own.path_power)
    torch.testing.assert_close(both.path_power[~scattered], own.path_power)
    away_m = (site.geometry.point_m - site.geometry.ap_position_m[:, None]).norm(dim=-1)
    expected_db = 20 * (site.recipe.wavelength_m / (4 * torch.pi * away_m)).log10() - 10 * math.log10(2)
    said_db = 10 * both.path_power[scattered].log10()
    nearest_db = 20 * math.log10(1 + 4 / float(away_m.min()))  # by which a place some metres away may be nearer
    assert (said_db - expected_db.flatten()).abs().max() < nearest_db
    assert (said_db - expected_db.flatten()).abs().median() < 1
    torch.testing.assert_close(both.antenna_m, own.antenna_m)


def test_it_is_traced_at_places_some_metres_apart(copy):
    points = len(load_site(str(copy)).geometry.point_m)
    assert len(asked) == 9
    assert max(asked) < points / 5


def test_places_that_are_spread_out_are_apart_and_leave_none_alone():
    points_m = np.random.default_rng(0).uniform(0, 50, (2000, 3)) * [1, 1, 0]
    chosen = points_m[scattering.spread_out(points_m, 4.0)]
    apart_m = np.linalg.norm(chosen[:, None] - chosen, axis=-1) + 100 * np.eye(len(chosen))
    assert apart_m.min() > 4.0
    assert np.linalg.norm(points_m[:, None] - chosen, axis=-1).min(-1).max() <= 4.0


def test_the_site_says_what_it_is_and_how_it_is_made(copy):
    assert all(check.ok for check in verify(copy))
    entry = read_manifest(copy)["files"]["scattering-twin-los.safetensors"]
    assert (entry["world"], entry["scattering"]) == ("twin-los", scattering.SCATTERING)
    assert entry["command"] == f"twin-envs site scatter {copy} --world twin-los"
    kept, before = read_manifest(copy), read_manifest(PACKAGED_SITES / "munich")
    assert kept["build_key"] == before["build_key"]
    assert {name: kept["files"][name] for name in before["files"]} == before["files"]


def test_reality_has_none_and_a_world_that_was_not_traced_so_has_none(copy):
    site = load_site("munich")
    assert site.scattering_twin("twin-los") is None
    with pytest.raises(ConfigurationError, match="twin must be one of"):
        site.scattering_twin("reality")
