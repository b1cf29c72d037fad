"""`munich-near-field`: waves from its access points are spheres, and no plane wave is like them."""

import numpy as np
import pytest
import torch

from twin_envs.world.store.site import load_site


@pytest.fixture(scope="module")
def seen():
    """Channels of places in sight [N, antennas], antennas [N, antennas, 3] and places [N, 3], seen from the array."""
    site = load_site("munich-near-field")
    atlas, geometry = site.twin("twin-los"), site.geometry
    ap, cell = atlas.line_of_sight.nonzero(as_tuple=True)
    h = atlas.channel(atlas.paths(geometry.point_m[cell], ap), torch.zeros(1))[:, 0]
    place_m = (geometry.point_m[cell] - geometry.ap_position_m[ap]).double().numpy()
    return h.numpy(), atlas.antenna_m[ap].double().numpy(), place_m, site.recipe


def alike(h, phase_m, recipe):
    """Squared correlation of channels with waves that have gone so far to each antenna."""
    wave = np.exp(-2j * np.pi * phase_m / recipe.wavelength_m)
    return np.abs((h.conj() * wave).sum(-1)) ** 2 / ((np.abs(h) ** 2).sum(-1) * wave.shape[-1])


def test_the_whole_square_lies_within_the_distance_of_fraunhofer(seen):
    _, antenna_m, place_m, recipe = seen
    aperture_m = np.linalg.norm(antenna_m[0, 0] - antenna_m[0, -1])
    assert aperture_m == pytest.approx(31 * recipe.wavelength_m, rel=1e-4)
    assert np.linalg.norm(place_m, axis=-1).max() < 2 * aperture_m**2 / recipe.wavelength_m


def test_channels_are_those_of_spheres_and_not_of_planes(seen):
    h, antenna_m, place_m, recipe = seen
    sphere = alike(h, np.linalg.norm(place_m[:, None] - antenna_m, axis=-1), recipe)
    assert sphere.min() > 0.999
    away_m = np.linalg.norm(place_m, axis=-1, keepdims=True)
    plane = alike(h, -(antenna_m * (place_m / away_m)[:, None]).sum(-1), recipe)
    # Fresnel: off the middle by y, a sphere of radius r runs ahead of a plane by (y cos)^2 / 2 r.
    across_m = (antenna_m @ (place_m / away_m)[..., None])[..., 0]
    fresnel_m = away_m - across_m + ((antenna_m**2).sum(-1) - across_m**2) / (2 * away_m)
    assert np.median(alike(h, fresnel_m, recipe)) > 0.999
    near = away_m[:, 0] < 40
    assert near.sum() > 100
    assert np.median(plane[near]) < 0.8 < np.median(plane[~near])
