"""The calibrated twin of a packaged site: what it learns, and what it does without what walls scatter."""

import logging
import shutil

import pytest
import torch

from twin_envs.benchmarks.twins.coverage import judge
from twin_envs.benchmarks.twins.splits import random_places
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.calibration.twin import calibrated_twin
from twin_envs.twin.learning import learnt
from twin_envs.twin.quadrature import wrapped
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.reading import PACKAGED_SITES
from twin_envs.world.store.site import load_site


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def raw(site):
    return calibrated_twin(site, "twin", site.device)


@pytest.mark.parametrize(("places", "seed"), [(10, 0), (20, 7), (50, 14)])
def test_few_measurements_put_it_well_ahead_of_what_was_traced(site, raw, places, seed):
    split = random_places(site, places, 200, seed)
    traced = channel_twins.get("traced")(site, "twin", site.device)
    before, after = (judge(twin, split, site) for twin in (traced, raw.learning(split.learn)))
    assert after["mae_db"] < 0.8 * before["mae_db"]
    assert after["missed"] < before["missed"]


@pytest.mark.parametrize("seed", [0, 7])
def test_stated_intervals_hold_where_nothing_was_measured(site, raw, seed):
    split = random_places(site, 50, 200, seed)
    assert 0.85 <= judge(learnt(raw, split.learn, site.geometry), split, site)["within_90"] <= 0.95


def test_channels_beams_and_knowledge_go_with_what_was_found(site, raw):
    knowing = raw.learning(random_places(site, 30, 1, 0).learn)
    assert raw.constants is None
    assert knowing.constants.scattering_db != 0
    cell = torch.arange(0, len(site.geometry.point_m), 50)
    position_m, ap = site.geometry.point_m[cell], torch.arange(len(cell)) % 9
    gain = knowing.atlas.gain[ap, cell]
    torch.testing.assert_close(knowing.paths(position_m, ap).power.sum(-1), gain, rtol=1e-3, atol=1e-20)
    static, there = knowing.at_points()
    torch.testing.assert_close(static[ap, cell, 0][gain > 0], 10 * gain[gain > 0].log10(), rtol=1e-4, atol=1e-3)
    assert torch.equal(there[ap, cell], gain > 0)
    assert not torch.equal(knowing.step_cycles(), raw.step_cycles())  # beams turn with the array


def array_azimuth_rad(atlas):
    """Azimuth of the line from the first to the last antenna of each AP."""
    along = atlas.antenna_m[:, -1] - atlas.antenna_m[:, 0]
    return torch.atan2(along[:, 1], along[:, 0])


@pytest.mark.parametrize("name", ["munich", "munich-cellfree", "indoor-factory"])
def test_arrays_are_turned_nearer_to_where_they_look(name):
    """What explains the gains of all links stands for trees and waves round edges as well, and would turn them away."""
    site = load_site(name)
    true_rad = wrapped(array_azimuth_rad(site.reality("reality")) - array_azimuth_rad(site.twin("twin")))
    found = calibrated_twin(site, "twin", site.device).learning(measure(site, "reality", 144, 0))
    off_rad = (found.turned_rad - true_rad).square().mean().sqrt()
    assert off_rad < true_rad.square().mean().sqrt()
    assert off_rad < 1.1 * (found.constants.yaw_rad - true_rad).square().mean().sqrt()


def test_what_it_learns_from_is_forgotten_when_it_learns_anew(site, raw):
    first, second = (random_places(site, 20, 1, seed).learn for seed in (0, 5))
    once, twice = raw.learning(second).constants, raw.learning(first).learning(second).constants
    assert all(torch.equal(value, vars(twice)[name]) for name, value in vars(once).items())


def test_without_what_walls_scatter_it_says_so_and_calibrates_what_was_traced(caplog, tmp_path):
    copy = shutil.copytree(PACKAGED_SITES / "munich-cellfree", tmp_path / "place")  # of each site it says so once
    site = load_site(str(copy))
    with caplog.at_level(logging.WARNING):
        twin = calibrated_twin(site, "twin-los", site.device)
    assert f"twin-envs site scatter {copy} --world twin-los" in caplog.text
    assert twin.atlas is site.twin("twin-los")
    split = random_places(site, 20, 100, 0)
    knowing = twin.learning(split.learn)
    assert knowing.constants.reflection_db == knowing.constants.scattering_db == 0  # line of sight alone
    assert (knowing.constants.yaw_rad != 0).any()
