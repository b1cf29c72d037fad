"""How far a twin is from reality. Offline: reads both worlds, so nothing that decides may import it."""

from __future__ import annotations

import math

import torch

from twin_envs.base.errors import SiteError
from twin_envs.base.units import THERMAL_NOISE_DBM_HZ, linear_to_db
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.recipe import SiteRecipe

_SAMPLED_LINKS = 4096
_SUBBANDS = 12


def least_gain_db(recipe: SiteRecipe) -> float:
    """Gain [dB] with which a link just serves: an SNR of 0 dB with the array's gain, over the whole carrier."""
    noise_dbm = THERMAL_NOISE_DBM_HZ + 10 * math.log10(recipe.bandwidth_hz) + recipe.noise_figure_db
    return noise_dbm - recipe.transmit_power_dbm - 10 * math.log10(recipe.array.rows * recipe.array.columns)


def _served(recipe: SiteRecipe, atlas: Atlas) -> torch.Tensor:
    """Links that serve, bool [A, C]."""
    return linear_to_db(atlas.gain) >= least_gain_db(recipe)


def _best(recipe: SiteRecipe, reality: Atlas, twin: Atlas) -> str:
    """The largest gain of each AP in reality and in the twin, in words."""
    best_db = [linear_to_db(atlas.gain).amax(1).tolist() for atlas in (reality, twin)]
    return ", ".join(
        f"{ap.name!r} reaches {real:.0f} dB in reality and {expected:.0f} dB in the twin"
        for ap, real, expected in zip(recipe.access_points, *best_db, strict=True)
    )


def coverage(recipe: SiteRecipe, atlas: Atlas) -> dict[str, float]:
    """Share of links that serve (SNR of 0 dB with the array's gain), and of grid points that some AP serves."""
    served = _served(recipe, atlas)
    return {"links": float(served.float().mean()), "points": float(served.any(0).float().mean())}


def measure_gap(recipe: SiteRecipe, reality: Atlas, twin: Atlas) -> dict[str, float]:
    """The gap between a twin and reality at the grid points.

    Returns:
        `gain_mae_db`: mean absolute error of the gain over links that both worlds serve. `best_ap_agreement`: share of
        points served in both worlds with the same strongest AP, and `best_beam_agreement`: share of links with the same
        strongest beam of a DFT codebook over the array. `coverage_mismatch`: share of links that one world serves and
        the other does not. `gain_rmse_db`: the error's root mean square. `cosine_similarity`: mean magnitude of the
        correlation of the two worlds' channels over antennas and the sounded band.

    Raises:
        SiteError: no link serves in both worlds.
    """
    both = _served(recipe, reality) & _served(recipe, twin)
    either = _served(recipe, reality) | _served(recipe, twin)
    if not both.any():
        raise SiteError(
            f"site {recipe.name!r}: no link serves in both worlds, so there is no gap to measure: it takes a gain of "
            f"{least_gain_db(recipe):.0f} dB, and {_best(recipe, reality, twin)}; an AP whose yaw_rad turns it away "
            "from the streets, or with too little transmit_power_dbm, does not serve"
        )
    error_db = (linear_to_db(reality.gain) - linear_to_db(twin.gain)).abs()[both]
    pointed = _served(recipe, reality).any(0) & _served(recipe, twin).any(0)
    agree = (reality.gain.argmax(0) == twin.gain.argmax(0))[pointed]
    ap, cell = both.nonzero(as_tuple=True)
    chosen = torch.linspace(0, len(ap) - 1, min(_SAMPLED_LINKS, len(ap))).long()
    ap, position = ap[chosen], reality.geometry.point_m[cell[chosen]]
    subband_hz = recipe.csi_blocks * recipe.block_spacing_hz / _SUBBANDS
    offset_hz = (torch.arange(_SUBBANDS) - (_SUBBANDS - 1) / 2) * subband_hz
    real, replica = (atlas.channel(atlas.paths(position, ap), offset_hz) for atlas in (reality, twin))
    similarity = (real.conj() * replica).sum((1, 2)).abs() / (
        real.abs().square().sum((1, 2)) * replica.abs().square().sum((1, 2))
    ).sqrt().clamp_min(1e-30)
    beams = [
        torch.fft.fft2(h.unflatten(-1, (recipe.array.rows, recipe.array.columns))).abs().square().sum(1).flatten(1)
        for h in (real, replica)
    ]
    return {
        "gain_mae_db": float(error_db.mean()),
        "gain_rmse_db": float(error_db.square().mean().sqrt()),
        "best_ap_agreement": float(agree.float().mean()),
        "best_beam_agreement": float((beams[0].argmax(-1) == beams[1].argmax(-1)).float().mean()),
        "coverage_mismatch": float((either & ~both).float().sum() / either.float().sum()),
        "cosine_similarity": float(similarity.mean()),
    }
