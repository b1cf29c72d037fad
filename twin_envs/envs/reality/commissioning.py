"""Test sweeps when APs are commissioned: somebody stands at some places, and all beams are measured there.

Privileged: measures in reality (see `READS_REALITY`). What leaves it is what was measured,
with noise, at places that sensing tells, with its error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from twin_envs.base.settings import lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.calibration import Survey, estimate_yaw_error_rad
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.csi.beams.measuring import beam_pilots, measured_snr, subband_hz
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.twin.protocol import ChannelTwin, SensedState
from twin_envs.world.store.site import Site, kept_by_site

_TWIN = "twin"
"""The world in which places are chosen, and by which sweeps are judged: every site has it."""
_LEAST_SNR = 10.0
"""Of the best beam, as the twin expects it, at the places that are chosen; linear."""
_SEED = 0


@kept_by_site
@lasting()
def swept_yaw_error_rad(
    site: Site,
    make_twin: Callable[[Site, str, torch.device], ChannelTwin],
    world: str,
    sweeps: int,
    position_std_m: float,
    symbols_per_beam: int,
) -> torch.Tensor:
    """By how much each AP turned out to point elsewhere than the recipe says, float32 [A]; 0 without sweeps.

    Args:
        site: the site.
        make_twin: makes the channel twin by which sweeps are judged.
        world: the world that is measured.
        sweeps: of all beams, for each AP. Neighbours are silent and nobody is in the way meanwhile.
        position_std_m: error of the places in each axis.
        symbols_per_beam: OFDM symbols of a beam.
    """
    codebook, noise = Codebook(site.recipe.array, site.device), noise_to_power(site.recipe)
    if not sweeps:
        return torch.zeros(len(site.geometry.ap_position_m), device=site.device)
    measured = _measure(site, world, codebook, sweeps, position_std_m, symbols_per_beam)
    twin = BeamMap(make_twin(site, _TWIN, site.device), site.geometry, codebook)
    return estimate_yaw_error_rad(twin, noise, measured)


def _measure(
    site: Site, world: str, codebook: Codebook, sweeps: int, position_std_m: float, symbols_per_beam: int
) -> Survey:
    """The test sweeps, at places drawn where the twin expects that the AP is received."""
    generator, geometry, noise = np.random.default_rng(_SEED), site.geometry, noise_to_power(site.recipe)

    def to_tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(site.device, torch.float32)

    served = site.twin(_TWIN).gain * codebook.beams > _LEAST_SNR * noise
    drawn = [
        (ap, cell)
        for ap, cells in enumerate(served)
        for cell in generator.choice(cells.nonzero()[:, 0].cpu().numpy(), sweeps if cells.any() else 0)
    ]
    ap, cell = torch.tensor(drawn, dtype=torch.int64, device=site.device).reshape(-1, 2).T
    moved = to_tensor(generator.uniform(-0.5, 0.5, (len(ap), 2)) * geometry.grid_m)
    position = geometry.point_m[cell] + torch.nn.functional.pad(moved, (0, 1))
    wrong = position_std_m * to_tensor(generator.standard_normal((len(ap), 2)))
    atlas = site.reality(world)
    h = atlas.channel(atlas.paths(position, ap), subband_hz(site.recipe, site.device))
    received = h @ codebook.weights[: codebook.beams].mT
    snr = squared_magnitude(received).mean(1) / noise
    normal = to_tensor(generator.standard_normal(tuple(snr.shape)))
    std_m = torch.full((len(ap),), position_std_m, device=site.device)
    sensed = SensedState(
        position_m=position[:, :2] + wrong,
        velocity_m_s=torch.zeros_like(wrong),
        position_std_m=std_m,
        velocity_std_m_s=torch.zeros_like(std_m),
    )
    return Survey(sensed=sensed, ap=ap, snr=measured_snr(snr, normal, beam_pilots(site.recipe, symbols_per_beam)))
