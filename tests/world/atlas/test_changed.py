"""An atlas whose paths were given other powers, and whose access points were turned."""

import numpy as np
import pytest
import torch

from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.store.site import load_site

OFFSET_HZ = torch.linspace(-9e6, 9e6, 4)


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def atlas(site):
    return site.twin("twin")


@pytest.fixture(scope="module")
def places(site):
    """Anywhere about grid points, and their APs."""
    generator = torch.Generator().manual_seed(0)
    cell = torch.randint(len(site.geometry.point_m), (200,), generator=generator)
    moved = torch.nn.functional.pad(torch.rand(200, 2, generator=generator) - 0.5, (0, 1))
    return site.geometry.point_m[cell] + moved, torch.arange(200) % 9


def channel(atlas, places):
    return atlas.channel(atlas.paths(*places), OFFSET_HZ)


def test_nothing_changed_is_the_same(atlas, places):
    same = atlas.changed(torch.ones_like(atlas.path_power), torch.zeros(9))
    torch.testing.assert_close(channel(same, places), channel(atlas, places))
    torch.testing.assert_close(same.gain, atlas.gain)


def test_four_times_the_power_is_twice_the_channel_and_the_first_atlas_stays(atlas, places):
    before = channel(atlas, places)
    louder = atlas.changed(torch.full_like(atlas.path_power, 4.0), torch.zeros(9))
    torch.testing.assert_close(channel(louder, places), 2 * before)
    torch.testing.assert_close(louder.gain, 4 * atlas.gain)
    torch.testing.assert_close(louder.packed_paths(3).power, 4 * atlas.packed_paths(3).power)
    assert torch.equal(channel(atlas, places), before)


def test_without_reflections_only_the_direct_path_is_left(atlas, places):
    power = (atlas.interactions().reflections == 0).float()
    direct = atlas.changed(power, torch.zeros(9))
    assert torch.equal(direct.gain > 0, atlas.line_of_sight)
    paths = direct.paths(*places)
    assert ((paths.power > 0).sum(-1) <= 1).all()


def test_a_turned_array_has_its_antennas_where_it_would_have_been_traced_with(site, atlas):
    yaw_rad = torch.linspace(-0.2, 0.3, 9)
    turned = atlas.changed(torch.ones_like(atlas.path_power), yaw_rad)
    expected = antenna_positions_m(site.recipe, yaw_rad.numpy().astype(np.float64))
    torch.testing.assert_close(turned.antenna_m, torch.from_numpy(expected), rtol=0, atol=1e-6)


def test_reflections_are_told_by_what_mirrors_leave(atlas):
    """Straight paths are not reflected; what is longer than the straight line by mirrors is, once or twice."""
    found = atlas.interactions()
    direct = torch.cat([atlas.packed_paths(ap).line_of_sight for ap in range(9)])
    assert (found.reflections[direct] == 0).all()
    assert (found.reflections[~direct & ~found.scattered] >= 1).all()
    assert not found.scattered.any()  # the twin's walls are smooth
    assert found.ap.bincount().tolist() == [len(atlas.packed_paths(ap).link) for ap in range(9)]
