"""Where antennas are: closed forms for some orientations, rigid motions for the others."""

import math

import numpy as np
import pytest

from twin_envs.world.atlas.arrays import antenna_positions_m, stack_amplitude, stack_axis
from twin_envs.world.recipe import StackRecipe, load_recipe

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


STACK = StackRecipe(elements=8, spacing=0.7, tilt_rad=0.175)


@pytest.mark.parametrize("stack", [STACK, StackRecipe(elements=2, spacing=0.5), StackRecipe(elements=5, spacing=1.3)])
def test_a_stack_is_the_sum_of_its_elements(stack):
    sine = np.random.default_rng(0).uniform(-1, 1, 200)
    place = (np.arange(stack.elements) - (stack.elements - 1) / 2) * stack.spacing
    phase = 2 * np.pi * place * (sine[:, None] + np.sin(stack.tilt_rad))
    summed = np.exp(1j * phase).sum(-1) / np.sqrt(stack.elements)
    np.testing.assert_allclose(summed.imag, 0, atol=1e-12)
    np.testing.assert_allclose(stack_amplitude(stack, sine), summed.real, atol=1e-12)


def test_down_its_lobe_a_stack_has_as_much_gain_as_elements_and_nulls_beside_it():
    lobe = -np.sin(STACK.tilt_rad)
    assert stack_amplitude(STACK, np.array(lobe)) ** 2 == pytest.approx(8.0)
    grating = stack_amplitude(STACK, np.array(lobe + 1 / 0.7))
    assert grating**2 == pytest.approx(8.0)  # were there such a direction
    nulls = lobe + np.arange(1, 8) / (8 * 0.7)
    np.testing.assert_allclose(stack_amplitude(STACK, nulls), 0, atol=1e-12)
    between = lobe + (np.arange(1, 7) + 0.5) / (8 * 0.7)
    side_lobes = stack_amplitude(STACK, between)
    assert (np.sign(side_lobes[1:]) != np.sign(side_lobes[:-1])).all()
    assert (side_lobes**2 < 8.0 * 10**-1.2).all()


def test_the_power_of_a_stack_of_half_waves_is_that_of_an_element():
    """Over all directions: with elements half a wavelength apart, powers add up."""
    sine = np.linspace(-1, 1, 20_001)
    power = stack_amplitude(StackRecipe(elements=6, spacing=0.5, tilt_rad=0.3), sine) ** 2
    assert np.trapezoid(power, sine) / 2 == pytest.approx(1.0, rel=1e-3)


def test_stacks_stand_as_the_array_does():
    for yaw, downtilt, error in ((0.0, 0.0, 0.0), (0.7, 0.2, 0.0), (2.0, -0.3, 0.1)):
        axis = stack_axis(recipe((yaw, downtilt)).access_points[0], error)
        at = positions(yaw, downtilt, error, columns=1)
        np.testing.assert_allclose(axis, (at[0] - at[1]) / np.linalg.norm(at[0] - at[1]), atol=1e-6)
