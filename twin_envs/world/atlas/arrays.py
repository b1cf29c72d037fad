"""Where the antennas of an AP are."""

from __future__ import annotations

import numpy as np

from twin_envs.world.recipe import SiteRecipe


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
        cos_a, sin_a = np.cos(ap.yaw_rad + error_rad), np.sin(ap.yaw_rad + error_rad)
        cos_b, sin_b = np.cos(ap.downtilt_rad), np.sin(ap.downtilt_rad)
        turn = np.array(
            [[cos_a * cos_b, -sin_a, cos_a * sin_b], [sin_a * cos_b, cos_a, sin_a * sin_b], [-sin_b, 0, cos_b]]
        )
        out.append(local.reshape(-1, 3) @ turn.T)
    return np.array(out, dtype=np.float32)
