"""Where the antennas of an AP are, and what a stack of elements sends where."""

from __future__ import annotations

import numpy as np

from twin_envs.world.recipe import AccessPoint, SiteRecipe, StackRecipe


def antenna_positions_m(recipe: SiteRecipe, yaw_error_rad: np.ndarray) -> np.ndarray:
    """Antennas of every AP relative to its centre, float32 [A, rows * columns, 3].

    Antenna = row * columns + column; rows from the top down, columns from right to left as seen from the front, so
    along the array's own y axis. Yaw, then downtilt, as Sionna RT turns a device.

    Args:
        recipe: the site.
        yaw_error_rad: by how much each AP points elsewhere than the recipe says [A].
    """
    array, wavelength_m = recipe.array, recipe.wavelength_m
    y = (np.arange(array.columns) - (array.columns - 1) / 2) * array.column_spacing * wavelength_m
    z = ((array.rows - 1) / 2 - np.arange(array.rows)) * array.row_spacing * wavelength_m
    local = np.stack([np.zeros((array.rows, array.columns)), *np.broadcast_arrays(y[None], z[:, None])], -1)
    out = []
    for ap, error_rad in zip(recipe.access_points, yaw_error_rad, strict=True):
        out.append(local.reshape(-1, 3) @ _turn(ap, float(error_rad)).T)
    return np.array(out, dtype=np.float32)


def stack_amplitude(stack: StackRecipe, sine: np.ndarray) -> np.ndarray:
    """Amplitude of a stack of elements over that of one with the same power, float64 of any shape.

    sin(n psi / 2) / (sqrt(n) sin(psi / 2)) with psi = 2 pi spacing (sine + sin tilt), for n elements: sqrt(n) down the
    lobe, with a sign that changes at each null.

    Args:
        stack: the recipe's.
        sine: of the elevation off the boresight, as the stack has it.
    """
    half = np.pi * stack.spacing * (sine + np.sin(stack.tilt_rad))
    wave = np.sin(half)
    inside = np.abs(wave) > 1e-9
    ratio = np.sin(stack.elements * half) / np.where(inside, wave, 1.0)
    at_lobe = stack.elements * np.cos(stack.elements * half) / np.where(inside, 1.0, np.cos(half))  # grating lobes, too
    return np.asarray(np.where(inside, ratio, at_lobe) / np.sqrt(stack.elements))


def stack_axis(ap: AccessPoint, yaw_error_rad: float = 0.0) -> np.ndarray:
    """Which way is up along the stacks of an AP [3]."""
    return np.asarray(_turn(ap, yaw_error_rad)[:, 2])


def _turn(ap: AccessPoint, yaw_error_rad: float) -> np.ndarray:
    """What turns an AP's own axes, ahead, left and up, to where they are [3, 3]."""
    cos_a, sin_a = np.cos(ap.yaw_rad + yaw_error_rad), np.sin(ap.yaw_rad + yaw_error_rad)
    cos_b, sin_b = np.cos(ap.downtilt_rad), np.sin(ap.downtilt_rad)
    return np.array([[cos_a * cos_b, -sin_a, cos_a * sin_b], [sin_a * cos_b, cos_a, sin_a * sin_b], [-sin_b, 0, cos_b]])
