"""The codebook against what an array does by its geometry."""

import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.beams.codebook import SWEEPS, Codebook
from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.recipe import ArrayRecipe

ARRAY = ArrayRecipe(rows=4, columns=16)
WAVELENGTH_M = 0.0107


@pytest.fixture(scope="module")
def codebook():
    return Codebook(ARRAY)


def wave(direction, array=ARRAY):
    """What a plane wave that leaves towards `direction` [3] does at every antenna, by the antennas' places."""

    class Recipe:
        wavelength_m = WAVELENGTH_M
        access_points = (type("AP", (), {"yaw_rad": 0.0, "downtilt_rad": 0.0}),)

    Recipe.array = array
    antenna = antenna_positions_m(Recipe, np.zeros(1))[0].astype(np.float64)
    return np.exp(2j * np.pi * antenna @ direction / WAVELENGTH_M)


def direction_of(codebook, beam):
    """Unit vector of a beam's centre, x ahead; None where its frequencies belong to no direction."""
    row, column = divmod(beam, codebook.columns)
    y = float(codebook.column_cycles[column]) / ARRAY.column_spacing
    z = -float(codebook.row_cycles[row]) / ARRAY.row_spacing
    ahead = 1 - y * y - z * z
    return np.array([math.sqrt(ahead), y, z]) if ahead > 0 else None


def test_beams_are_orthonormal(codebook):
    narrow = codebook.weights[:64]
    gram = narrow @ narrow.mH
    torch.testing.assert_close(gram, torch.eye(64, dtype=torch.complex64), atol=1e-5, rtol=0)


def test_a_path_in_a_beams_direction_is_received_64_times_and_by_no_other_beam(codebook):
    weights = codebook.weights[:64].numpy().astype(np.complex128)
    tried = 0
    for beam in range(codebook.beams):
        direction = direction_of(codebook, beam)
        if direction is None:
            continue
        power = np.abs(weights @ wave(direction)) ** 2
        expected = np.zeros(64)
        expected[beam] = 64
        np.testing.assert_allclose(power, expected, atol=1e-3)
        tried += 1
    assert tried > 50


def test_the_response_is_that_of_the_antennas_in_any_direction(codebook):
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(40, 3))
    direction[:, 0] = np.abs(direction[:, 0])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    expected = np.abs(np.array([wave(d) for d in direction]) @ codebook.weights[:64].numpy().T) ** 2
    rows = torch.tensor(-direction[:, 2] * ARRAY.row_spacing).float()
    columns = torch.tensor(direction[:, 1] * ARRAY.column_spacing).float()
    np.testing.assert_allclose(codebook.response(rows, columns).numpy(), expected, atol=2e-3)


def test_some_beam_reaches_every_direction_of_the_sector_within_four_decibels(codebook):
    azimuth, elevation = np.meshgrid(np.radians(np.linspace(-60, 60, 61)), np.radians(np.linspace(-30, 30, 31)))
    y, z = np.sin(azimuth) * np.cos(elevation), np.sin(elevation)
    rows = torch.tensor(-z.ravel() * ARRAY.row_spacing).float()
    columns = torch.tensor(y.ravel() * ARRAY.column_spacing).float()
    best = codebook.response(rows, columns).amax(-1)
    # Half way between two beams in both dimensions each factor has fallen to about (2 / pi)^2: 3.9 dB.
    assert float(best.min()) > 64 * (2 / math.pi) ** 4
    assert float(best.max()) > 63


def test_azimuths_are_where_beams_point_and_beams_touch(codebook):
    for beam in range(16, 32):
        direction = direction_of(codebook, beam)
        assert math.sin(float(codebook.azimuth_rad[beam])) == pytest.approx(direction[1], abs=1e-6)
    edges = codebook.azimuth_rad[:16]
    assert (edges.diff() > 0).all()
    middle = slice(6, 10)
    gap = edges.diff()[middle]
    torch.testing.assert_close(codebook.width_rad[6:10], gap, atol=0.01, rtol=0)


def test_a_sweep_is_the_beams_nearest_to_its_centre(codebook):
    centre = 1 * 16 + 8

    def places(choice):
        swept = codebook.swept(torch.tensor([centre]), torch.tensor([codebook.sweep_size(choice)]))[0].nonzero()[:, 0]
        return {(int(b) // 16 - 1, int(b) % 16 - 8) for b in swept}

    assert places(0) == {(0, 0)}
    assert places(1) == {(0, -1), (0, 0), (0, 1)}
    assert places(2) == {*places(1), (0, -2), (0, 2), (-1, 0), (1, 0)}
    assert places(3) == {(row, column) for row in (-1, 0, 1) for column in range(-2, 3)}
    assert len(places(4)) == 64


@pytest.mark.parametrize("centre", [0, 15, 31, 48, 63])
def test_a_sweep_at_an_edge_has_as_many_beams_and_holds_its_centre(codebook, centre):
    for choice in range(len(SWEEPS)):
        swept = codebook.swept(torch.tensor([centre]), torch.tensor([codebook.sweep_size(choice)]))[0]
        assert int(swept.sum()) == codebook.sweep_size(choice)
        assert swept[centre]


def test_wider_sweeps_hold_the_narrower_ones(codebook):
    centre = torch.arange(64)
    before = torch.zeros(64, codebook.every, dtype=torch.bool)
    for size in codebook.sweep_sizes:
        swept = codebook.swept(centre, size.expand(64))
        assert (swept | ~before).all()
        before = swept


@pytest.mark.parametrize("rows", [2, 5])
def test_arrays_with_too_few_or_too_many_antennas_are_refused(rows):
    columns = {2: 4, 5: 16}[rows]
    with pytest.raises(ConfigurationError, match=f"antennas .* must be from 16 to 64, got {rows * columns}"):
        Codebook(ArrayRecipe(rows=rows, columns=columns))


@pytest.mark.parametrize(("ssb_beams", "together"), [(64, 1), (32, 2), (16, 4), (8, 8)])
def test_a_wide_beam_is_as_much_weaker_as_it_is_wider_and_flat_between(ssb_beams, together):
    codebook = Codebook(ARRAY, ssb_beams=ssb_beams)
    assert codebook.together == together
    wide = codebook.weights[64:].numpy().astype(np.complex128)
    np.testing.assert_allclose(np.linalg.norm(wide, axis=1), 1, atol=1e-5)
    ssb = ssb_beams // 2 + ssb_beams // 8  # in the third row, not at its edge
    members = range(ssb * together, (ssb + 1) * together)
    assert int(codebook.ssbs.sum()) == ssb_beams
    for member in members:
        power = np.abs(wide @ wave(direction_of(codebook, member))) ** 2
        assert power[ssb] == pytest.approx(64 / together, rel=1e-3)
        assert np.delete(power, ssb).max() < 1e-3
    sines = np.linspace(*(direction_of(codebook, m)[1] for m in (members[0], members[-1])), 41)
    z = direction_of(codebook, members[0])[2]
    inside = [np.abs(wide[ssb] @ wave(np.array([math.sqrt(1 - y * y - z * z), y, z]))) ** 2 for y in sines]
    ripple_db = 10 * np.log10(np.array(inside) * together / 64)
    assert np.abs(ripple_db).max() < 2.2
    places = codebook.place[[*members]].mean(0)
    torch.testing.assert_close(codebook.place[64 + ssb], places)
    assert set(codebook.order[64 + ssb, : min(together, 3)].tolist()) <= set(members)


def test_the_power_of_a_wide_beam_is_taken_to_be_the_mean_of_its_narrow_ones():
    codebook = Codebook(ARRAY, ssb_beams=16)
    power = torch.arange(64.0)
    assert codebook.spread(power).tolist() == [*range(64), *(4 * k + 1.5 for k in range(16))]


def test_ssbs_that_do_not_share_out_a_row_are_refused():
    with pytest.raises(ConfigurationError, match=r"ssb_beams must be .*16.*64.*got 12"):
        Codebook(ARRAY, ssb_beams=12)
