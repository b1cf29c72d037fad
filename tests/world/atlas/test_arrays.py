"""Where antennas are: closed forms for some orientations, rigid motions for the others."""

import math

import numpy as np
import pytest

from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.recipe import load_recipe

WAVELENGTH_M = 299_792_458.0 / 3.5e9


def recipe(*orientations, rows=2, columns=16):
    """A recipe with an AP for each (yaw, downtilt)."""
    aps = "".join(
        f'[[access_points]]\nname = "ap-{i}"\nposition_m = [{i}.0, 0.0, 8.0]\nyaw_rad = {yaw}\ndowntilt_rad = {tilt}\n'
        for i, (yaw, tilt) in enumerate(orientations)
    )
    return load_recipe(
        'name = "a"\nscene = "munich"\nscene_source = "s"\nscene_licence = "l"\narea_m = [0, 0, 50, 50]\n'
        f"array = {{rows = {rows}, columns = {columns}, row_spacing = 0.7, column_spacing = 0.5}}\n"
        f"{aps}[worlds.reality]\nreal = true\n[worlds.twin]\n"
    )


def positions(yaw, downtilt, error=0.0, **array):
    return antenna_positions_m(recipe((yaw, downtilt), **array), np.array([error]))[0]


def test_an_array_that_faces_x_lies_along_y_with_its_top_row_first():
    at = positions(0.0, 0.0)
    assert at.dtype == np.float32
    expected = [
        (0.0, (column - 7.5) * 0.5 * WAVELENGTH_M, (0.5 - row) * 0.7 * WAVELENGTH_M)
        for row in range(2)
        for column in range(16)
    ]
    np.testing.assert_allclose(at, expected, atol=1e-7)


def test_an_array_that_faces_y_lies_along_minus_x():
    at = positions(math.pi / 2, 0.0)
    np.testing.assert_allclose(at[:16, 0], -(np.arange(16) - 7.5) * 0.5 * WAVELENGTH_M, atol=1e-7)
    np.testing.assert_allclose(at[:, 1], 0.0, atol=1e-7)


def test_downtilt_leans_the_top_row_forward():
    at = positions(0.0, 0.2).reshape(2, 16, 3)
    up = at[0, 0] - at[1, 0]
    np.testing.assert_allclose(up, 0.7 * WAVELENGTH_M * np.array([math.sin(0.2), 0, math.cos(0.2)]), atol=1e-7)
    # The array's front, across rows and columns, looks down by as much.
    front = np.cross(at[0, 1] - at[0, 0], up)
    np.testing.assert_allclose(front / np.linalg.norm(front), [math.cos(0.2), 0, -math.sin(0.2)], atol=1e-5)


@pytest.mark.parametrize(("yaw", "downtilt"), [(0.3, 0.1), (-2.5, -0.4), (6.0, 1.5)])
def test_turning_an_array_keeps_its_shape_and_faces_it_where_it_points(yaw, downtilt):
    flat, turned = positions(0.0, 0.0, rows=3, columns=5), positions(yaw, downtilt, rows=3, columns=5)
    np.testing.assert_allclose(turned.mean(0), 0.0, atol=1e-7)
    distances = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (flat, turned)]
    np.testing.assert_allclose(*distances, atol=1e-6)
    boresight = [math.cos(yaw) * math.cos(downtilt), math.sin(yaw) * math.cos(downtilt), -math.sin(downtilt)]
    np.testing.assert_allclose(turned @ boresight, 0.0, atol=1e-6)
    rows = turned.reshape(3, 5, 3)
    np.testing.assert_allclose(rows[:, :, 2].std(1), 0.0, atol=1e-7)  # rows stay level
    assert (np.diff(rows[:, 0, 2]) < 0).all()  # from the top down


def test_a_pointing_error_is_a_turn_of_one_access_point():
    made = recipe((0.3, 0.1), (1.0, 0.0))
    off = antenna_positions_m(made, np.array([0.05, 0.0]))
    np.testing.assert_allclose(off[0], positions(0.35, 0.1), atol=1e-7)
    np.testing.assert_allclose(off[1], positions(1.0, 0.0), atol=1e-7)


def test_one_antenna_is_in_the_middle():
    np.testing.assert_array_equal(positions(0.7, 0.2, rows=1, columns=1), np.zeros((1, 3)))


def test_the_phase_grows_along_the_columns_towards_the_side_that_they_lie_on():
    # A far UE at +y of an array facing +x is nearer to the later columns.
    at = positions(0.0, 0.0)
    distance = np.linalg.norm(np.array([1000.0, 800.0, 0.0]) - at, axis=-1)[:16]
    step = -np.diff(distance) / WAVELENGTH_M
    np.testing.assert_allclose(step, 0.5 * 800 / math.hypot(1000, 800), atol=1e-3)
