"""DM-RS: how well a UE knows its effective channel inside a slot, and what that costs in SINR.

A UE equalises each data symbol with the channel that it has estimated at the slot's DM-RS symbols. Between them it
interpolates linearly, beyond them it takes the nearest. So what it loses follows from how its effective channel, after
precoding, moves during the slot: from the Doppler shifts of its paths.

A UE of NR follows the mean frequency of all that it receives; tracking reference signals are sent for that (TS 38.214,
5.1.6.1.1). What is left are the paths' Doppler shifts less their mean, weighted by power.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch

from twin_envs.base.settings import lasting
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, SYMBOLS_PER_SLOT

DMRS_SYMBOLS = ((2,), (2, 11), (2, 7, 11), (2, 5, 8, 11))
"""DM-RS symbols of a slot by number of additional positions: mapping type A, all 14 symbols, single-symbol DM-RS, the
first in symbol 2 (TS 38.211, table 7.4.1.1.2-3). Only a single symbol leaves room for more than one additional
position. In one symbol the enhanced DM-RS of type 2 (Release 18, TS 38.211, 7.4.1.1.2) has twelve orthogonal ports, one
for each UE (see `csi.scheduling`). NR's UEs may expect that all who share a slot have the same positions (TS 38.214,
5.1.6.2). Here each has its own, so one's pilots meet the others' data, and the interference on pilots is taken to be
that on data."""
CONTROL_SYMBOLS = 1
"""PDCCH takes the first symbol of a slot; data fills the others but for DM-RS."""
AVERAGED_BLOCKS = 4
"""Resource blocks over which a UE may take the precoder to be the same (TS 38.214, 5.1.2.3: 2, 4, or all of them)."""
PILOT_ENERGY = SUBCARRIERS_PER_BLOCK * AVERAGED_BLOCKS
"""Energy of the pilots that a UE averages in one symbol, over that of a data element: a port has one subcarrier in
three, at three times the power, for the other ports' subcarriers are left empty (TS 38.214, table 4.1-1)."""
_TINY = torch.finfo(torch.float32).tiny


def doppler_factors(
    arrival: torch.Tensor, power: torch.Tensor, velocity_m_s: torch.Tensor, wavelength_m: float, tracking: bool
) -> torch.Tensor:
    """What to multiply the paths' gains with for the channel and its derivatives by time, as the UE sees them.

    A UE that moves along a path's direction of propagation runs away from the wave: the path's Doppler shift is
    f = -arrival . velocity / wavelength. The n-th derivative multiplies its gain by (2 pi i (f - mean f))^n
    for a UE that tracks the mean, and by (2 pi i f)^n for one that does not.

    Args:
        arrival: directions of propagation at the UEs [N, P, 3].
        power: of the paths [N, P].
        velocity_m_s: of the UEs [N, 3].
        wavelength_m: of the carrier.
        tracking: whether the UEs track.

    Returns:
        complex64 [N, 3, P]: 1, and the factors of the first and the second derivative.
    """
    shift_hz = (arrival @ velocity_m_s[..., None]).squeeze(-1) / -wavelength_m
    if tracking:
        total = power.sum(-1, keepdim=True).clamp_min(_TINY)
        shift_hz = shift_hz - (shift_hz * power).sum(-1, keepdim=True) / total
    pulsation = (2 * math.pi) * shift_hz
    zero, one = torch.zeros_like(pulsation), torch.ones_like(pulsation)
    return torch.complex(torch.stack([one, zero, -pulsation.square()], 1), torch.stack([zero, pulsation, zero], 1))


def effective_channel(
    waves: torch.Tensor, steering: torch.Tensor, w: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    """Effective channels of N UEs under their precoders, and their derivatives by time.

    Args:
        waves, steering: what each path brings at each frequency, complex64 [N, F, P], and its phase at each antenna,
            complex64 [N, P, antennas], as `Atlas.waves` gives them.
        w: of each UE its own precoder, complex64 [N, F, antennas].
        factors: from `doppler_factors`, complex64 [N, 3, P].

    Returns:
        complex64 [N, F, 3]: value, first and second derivative.
    """
    return (waves * (steering @ w.mT).mT) @ factors.mT


def equalised_sinr(sinr: torch.Tensor, own: torch.Tensor, additional: torch.Tensor, symbol_s: float) -> torch.Tensor:
    """SINR after equalisation with the channel as the UE knows it.

    Dividing by an estimate with the relative error d adds d times the data to what disturbs it:
    SINR' = 1 / (1 / SINR + mean |d|^2), the mean over the slot's data symbols.

    Args:
        sinr: with the channel known, linear, float32 [...].
        own: the effective channel in the middle of the slot and its two derivatives by time, complex64 [..., 3].
        additional: additional DM-RS positions, int64, broadcasts against [...].
        symbol_s: duration of a symbol.

    Returns:
        float32 [...].
    """
    first, both, second, noise = _coefficients(symbol_s, sinr.device)[additional].unbind(-1)
    level, slope, bend = torch.view_as_real(own).unbind(-2)
    change = (
        first * slope.square().sum(-1) + both * (slope * bend).sum(-1) + second * bend.square().sum(-1)
    ) / level.square().sum(-1).clamp_min(_TINY)
    return sinr / (1.0 + noise + sinr * change)


@lru_cache(maxsize=16)
@lasting()
def _coefficients(symbol_s: float, device: torch.device) -> torch.Tensor:
    """Of the error [4, 4], for each number of additional positions: of |g'|^2, Re(g'* g''), |g''|^2 and of 1 / SINR."""
    rows = []
    for pilots in DMRS_SYMBOLS:
        data = np.setdiff1d(np.arange(CONTROL_SYMBOLS, SYMBOLS_PER_SLOT), pilots)
        # Column k: what the estimate at each symbol takes of pilot k.
        weights = np.stack([np.interp(data, pilots, unit) for unit in np.eye(len(pilots))], -1)
        data_s, pilots_s = ((np.array(x) - (SYMBOLS_PER_SLOT - 1) / 2) * symbol_s for x in (data, pilots))
        slope, bend = data_s - weights @ pilots_s, (data_s**2 - weights @ pilots_s**2) / 2
        noise = np.square(weights).sum(-1) / PILOT_ENERGY
        rows.append([np.mean(x) for x in (slope**2, 2 * slope * bend, bend**2, noise)])
    return torch.tensor(rows, dtype=torch.float32, device=device)
