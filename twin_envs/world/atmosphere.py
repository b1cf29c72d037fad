"""What the gases of the air take from a wave: ITU-R P.676-13, Annex 1, line by line."""

from __future__ import annotations

import numpy as np

from twin_envs.world.gas_lines import OXYGEN, WATER_VAPOUR
from twin_envs.world.recipe import AtmosphereRecipe


def specific_attenuation_db_m(carrier_hz: float, air: AtmosphereRecipe) -> float:
    """Loss for each metre of way [dB/m] by oxygen, by the dry continuum and by water vapour.

    It is 0.182 f N''(f) dB/km at f GHz, with N'' the imaginary part of the refractivity: the sum over lines of strength
    times shape, and what pressure induces in nitrogen (P.676-13, equations 1 to 9).

    Args:
        carrier_hz: 1 to 1,000 GHz.
        air: pressure of the dry air, temperature, and density of the water vapour.
    """
    f, dry_hpa, theta = carrier_hz / 1e9, air.pressure_hpa, 300.0 / air.temperature_k
    vapour_hpa = air.vapour_g_m3 * air.temperature_k / 216.7
    refractivity = _oxygen(f, dry_hpa, vapour_hpa, theta) + _vapour(f, dry_hpa, vapour_hpa, theta)
    return 0.182 * f * (refractivity + _dry_continuum(f, dry_hpa, vapour_hpa, theta)) / 1e3


def _shape(f: float, line: np.ndarray, width: np.ndarray, overlap: np.ndarray | float) -> np.ndarray:
    """Shape of lines at `line` [GHz] with half widths `width` [GHz] and interference `overlap` (equation 5)."""
    near, far = line - f, line + f
    below = (width - overlap * near) / (near**2 + width**2)
    return np.asarray(f / line * (below + (width - overlap * far) / (far**2 + width**2)))


def _oxygen(f: float, dry_hpa: float, vapour_hpa: float, theta: float) -> float:
    line, a1, a2, a3, a4, a5, a6 = np.array(OXYGEN).T
    strength = 1e-7 * a1 * dry_hpa * theta**3 * np.exp(a2 * (1 - theta))
    pressure = 1e-4 * a3 * (dry_hpa * theta ** (0.8 - a4) + 1.1 * vapour_hpa * theta)
    width = np.sqrt(pressure**2 + 2.25e-6)  # Zeeman splitting
    overlap = 1e-4 * (a5 + a6 * theta) * (dry_hpa + vapour_hpa) * theta**0.8
    return float((strength * _shape(f, line, width, overlap)).sum())


def _vapour(f: float, dry_hpa: float, vapour_hpa: float, theta: float) -> float:
    line, b1, b2, b3, b4, b5, b6 = np.array(WATER_VAPOUR).T
    strength = 0.1 * b1 * vapour_hpa * theta**3.5 * np.exp(b2 * (1 - theta))
    pressure = 1e-4 * b3 * (dry_hpa * theta**b4 + b5 * vapour_hpa * theta**b6)
    width = 0.535 * pressure + np.sqrt(0.217 * pressure**2 + 2.1316e-12 * line**2 / theta)  # Doppler
    return float((strength * _shape(f, line, width, 0.0)).sum())


def _dry_continuum(f: float, dry_hpa: float, vapour_hpa: float, theta: float) -> float:
    """Debye's spectrum of oxygen below 10 GHz, and nitrogen above 100 GHz (equation 8)."""
    width = 5.6e-4 * (dry_hpa + vapour_hpa) * theta**0.8
    debye = 6.14e-5 / (width * (1 + (f / width) ** 2))
    nitrogen = 1.4e-12 * dry_hpa * theta**1.5 / (1 + 1.9e-5 * f**1.5)
    return f * dry_hpa * theta**2 * (debye + nitrogen)
