"""Constants under which a traced world says what was measured, found by gradients."""

from __future__ import annotations

import torch

from twin_envs.base.settings import training
from twin_envs.twin.calibration.constants import Constants, PathModel
from twin_envs.world.atlas.atlas import Atlas

_REFLECTION_STD_DB, _SCATTERING_STD_DB, _YAW_STD_RAD = 1.0, 6.0, 0.1
"""How far off constants may be, before anything is measured: walls of unlike thickness and wetness, scattering
coefficients from half to twice what was traced, and mounts that were set by eye."""
_GAIN_STD_DB, _SIGHT_STD_DB = 3.0, 4.0
"""What objects that the map lacks, and waves round edges, do to gains, of all links and of those in sight, where few
other paths hide it; the loss is linear beyond (Huber 1964)."""
_STEPS = 60


def fit(atlas: Atlas, model: PathModel, cell: torch.Tensor, ap: torch.Tensor, gain_db: torch.Tensor) -> Constants:
    """The most likely constants, by L-BFGS on the gains of links.

    Args:
        atlas: as it was traced.
        model: of all of its paths.
        cell: grid point of each link, int64 [M].
        ap: int64 [M].
        gain_db: as measured [M]. Links of which nothing was traced tell nothing.
    """
    return _fit(atlas, model, cell, ap, gain_db, _GAIN_STD_DB)


def fit_yaw(
    atlas: Atlas,
    model: PathModel,
    cell: torch.Tensor,
    ap: torch.Tensor,
    gain_db: torch.Tensor,
    line_of_sight: torch.Tensor,
) -> torch.Tensor:
    """Where APs look, as far as links tell that the twin has in sight and that were seen to be: [A] [rad].

    The yaw with which `fit` explains the gains of all links stands for what the twin lacks, too, and may be far off. In
    sight a gain goes with the element alone.

    Args:
        line_of_sight: whether there was line of sight when it was measured, bool [M].

    The others are those of `fit`.
    """
    seen = line_of_sight & atlas.line_of_sight[ap, cell]
    return _fit(atlas, model, cell[seen], ap[seen], gain_db[seen], _SIGHT_STD_DB).yaw_rad


def _fit(
    atlas: Atlas, model: PathModel, cell: torch.Tensor, ap: torch.Tensor, gain_db: torch.Tensor, std_db: float
) -> Constants:
    link = ap * len(atlas.geometry.point_m) + cell
    known = atlas.count[link] > 0
    link, gain_db = link[known], gain_db[known].double()
    count = atlas.count[link]
    number = torch.repeat_interleave(torch.arange(len(link), device=link.device), count)
    path = torch.arange(len(number), device=link.device) + (atlas.start[link] - count.cumsum(0) + count)[number]
    own, power = model.of(path), atlas.path_power[path].double()
    aps = len(model.yaw_rad)
    with training():
        unit = torch.zeros(2 + aps, dtype=torch.float64, device=link.device, requires_grad=True)
        optimiser = torch.optim.LBFGS([unit], max_iter=_STEPS, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimiser.zero_grad()
            total = torch.zeros_like(gain_db).index_add(0, number, power * own.power(_constants(unit)))
            off = (10 * total.clamp_min(1e-30).log10() - gain_db) / std_db
            value = (
                torch.nn.functional.huber_loss(off, torch.zeros_like(off), reduction="sum") + unit.square().sum() / 2
            )
            value.backward()
            return value

        if len(link):
            optimiser.step(loss)
    found = _constants(unit.detach())
    return Constants(**{name: value.float() for name, value in vars(found).items()})


def _constants(unit: torch.Tensor) -> Constants:
    """Constants that are so many standard deviations off [2 + A]."""
    return Constants(
        reflection_db=_REFLECTION_STD_DB * unit[0],
        scattering_db=_SCATTERING_STD_DB * unit[1],
        yaw_rad=_YAW_STD_RAD * unit[2:],
    )
