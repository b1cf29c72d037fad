"""The calibrated twin: a traced world, its materials and access points as measurements have them."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from typing import Self

import torch

from twin_envs.base.settings import lasting
from twin_envs.twin.calibration.constants import Constants, PathModel, path_model
from twin_envs.twin.calibration.fit import fit, fit_yaw
from twin_envs.twin.interpolated.features import GAIN, LINE_OF_SIGHT
from twin_envs.twin.interpolated.interpolation import width
from twin_envs.twin.knowledge import Knowledge, SensedState
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.twin.traced import TracedTwin
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.store.site import Site, scattering_command

_log = logging.getLogger(__name__)


class CalibratedTwin(TracedTwin):
    """A traced twin whose paths are as strong as measured gains bear out, its access points turned.

    How strong reflections and scattered waves are, and where the elements of each AP look, is found by gradients (see
    `fit`), and so is by how much its array is turned (see `fit_yaw`). Nothing is traced anew: paths are where they
    were. Before it has learnt it is what was traced.

    Args:
        atlas: as it was traced, best with walls that scatter: what reaches no place cannot be made stronger there.
        model: of its paths.
        columns: antenna columns of the APs.
        constants: what is unlike what was traced; None for nothing.
        turned_rad: by how much the array of each AP is turned [A]; None for nothing.

    Attributes:
        constants, turned_rad: see there.
    """

    def __init__(
        self,
        atlas: Atlas,
        model: PathModel,
        columns: int,
        constants: Constants | None = None,
        turned_rad: torch.Tensor | None = None,
    ) -> None:
        changed = atlas
        if constants is not None and turned_rad is not None:
            changed = atlas.changed(model.power(constants), turned_rad)
        super().__init__(changed, model.yaw_rad, columns)
        self._traced, self._model, self._columns = atlas, model, columns
        self.constants, self.turned_rad = constants, turned_rad
        self._spread_db: torch.Tensor | None = None

    @lasting()
    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        geometry = self._traced.geometry
        check_measurements(measured, geometry)
        cell = geometry.cell(measured.sensed.position_m)
        near = cell >= 0
        links = self._traced, self._model, cell[near], measured.ap[near], measured.values[near, GAIN]
        turned_rad = fit_yaw(*links, measured.values[near, LINE_OF_SIGHT] > 0)
        made = type(self)(self._traced, self._model, self._columns, fit(*links), turned_rad)
        said = made.said(measured.sensed, measured.ap)
        known = said.covered > 0
        if known.any():
            made._spread_db = width((measured.values - said.values)[known])[GAIN]
        return made

    def said(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """See `TracedTwin.said`; the gain is as unsure as 90 % of those that were measured want it.

        So few constants do not follow single measurements: what they leave of these they leave of others.
        """
        known = super().said(sensed, ap)
        if self._spread_db is None:
            return known
        std = known.std.clone()
        std[:, GAIN] = torch.hypot(std[:, GAIN], self._spread_db)
        return replace(known, std=std)


@cache
def _tell(note: str) -> None:
    """Log a note, once in the life of the process."""
    _log.warning("%s", note)


@lasting()
def calibrated_twin(site: Site, world: str, device: torch.device) -> CalibratedTwin:
    """The twin world `world` of a site, traced with walls that scatter if it was, and calibrated when it has learnt.

    Raises:
        ConfigurationError: there is no such world.
    """
    atlas = site.scattering_twin(world)
    if atlas is None:
        atlas = site.twin(world)
        _tell(
            f"site {site.recipe.name!r}: what walls scatter was not traced, and channel_twin 'calibrated' knows "
            f"nothing of it; `{scattering_command(site.asked_for, world)}` traces it"
        )
    return CalibratedTwin(atlas, path_model(atlas, site.recipe), site.recipe.array.columns)
