"""The residual twin: a traced twin, corrected by what was measured, and filled in where it has no channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.units import db_to_linear
from twin_envs.twin.error import TwinError
from twin_envs.twin.interpolated.features import GAIN, features_of, values_of
from twin_envs.twin.interpolated.grid import FeatureGrid, tabulate
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.law import residuals
from twin_envs.twin.interpolated.twin import InterpolatedTwin
from twin_envs.twin.knowledge import Knowledge, SensedState
from twin_envs.twin.measurements import Measurements, check_measurements
from twin_envs.twin.protocol import ArrivingPaths, Beams, ExpectedPaths
from twin_envs.twin.semantic.knowledge_store import environment_features
from twin_envs.twin.semantic.twin import twin_of_environment
from twin_envs.twin.traced import TracedTwin, traced_twin
from twin_envs.world.atlas.atlas import LocalPaths
from twin_envs.world.store.site import Site


class ResidualTwin(Constant):
    """A traced twin, and by how much what was measured differs from it, kriged to other places.

    Paths stay where they were traced; the power of all paths of a link is corrected by that of its gain. Where the
    traced twin has no channel, knowledge is what another twin has learnt; there are no paths. Before it has learnt it
    is the traced twin.

    Args:
        traced: the traced twin.
        measured: what learns the rest.
    """

    def __init__(self, traced: TracedTwin, measured: InterpolatedTwin) -> None:
        self._traced, self._measured = traced, measured
        self._grid: FeatureGrid | None = None
        self._error: TwinError | None = None

    def learning(self, measured: Measurements) -> Self:
        """The twin that has learnt from what was `measured`; see `LearnsKnowledge`."""
        geometry = self._traced.atlas.geometry
        check_measurements(measured, geometry)
        said = self._traced.predict(measured.sensed, measured.ap)
        known = measured.links(said.covered > 0)
        changed = {"_measured": self._measured.learning(measured), "_error": None}
        if not len(known.ap):  # nothing to correct
            return self._with(_grid=None, **changed)
        expected = features_of(said.values[said.covered > 0], known.sensed)
        off = residuals(features_of(known.values, known.sensed), expected)
        interpolation = Kriging(known.sensed.position_m, known.ap, off)
        everywhere = torch.ones(len(geometry.ap_position_m), len(geometry.point_m), dtype=torch.bool, device=off.device)
        return self._with(_grid=tabulate(geometry, None, interpolation, everywhere), **changed)

    def knowing(self, error: TwinError) -> Self:
        """The same twin, which knows how wrong it is; see `LearnsError`."""
        return self._with(_error=error)

    def predict(self, sensed: SensedState, ap: torch.Tensor) -> Knowledge:
        """Knowledge of N UEs and their links to access points `ap` int64 [N] (see `Knowledge`)."""
        known = self._traced.predict(sensed, ap)
        if self._grid is not None:
            _, off, off_std = self._grid.at(sensed, ap)
            values, correction_std = values_of(features_of(known.values, sensed) + off, off_std, sensed)
            known = replace(known, values=values, std=torch.hypot(known.std, correction_std))
        known = _filled(known, self._measured.predict(sensed, ap))
        return known if self._error is None else self._error.correct(known, sensed)

    def expected_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ExpectedPaths:
        """Paths that the twin expects at `position_m` [N, 3], for estimating the channel to `ap` int64 [N]."""
        return self.arriving_paths(position_m, ap)

    def arriving_paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> ArrivingPaths:
        """The same, with how the paths arrive: see `ExpectsArrivals`."""
        expected = self._traced.arriving_paths(position_m, ap)
        return replace(expected, power=expected.power * self._power(position_m, ap)[:, None])

    def paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> LocalPaths:
        """Paths from access points `ap` int64 [N] to `position_m` [N, 3]."""
        paths = self._traced.paths(position_m, ap)
        return replace(paths, gain=paths.gain * self._power(position_m, ap).sqrt()[:, None])

    def channel(
        self, position_m: torch.Tensor, ap: torch.Tensor, offset_hz: torch.Tensor, *, synchronised: bool = False
    ) -> torch.Tensor:
        """Channels, complex64 [N, F, antennas], at baseband frequencies `offset_hz` [F]; see `GivesChannels`."""
        channel = self._traced.channel(position_m, ap, offset_hz, synchronised=synchronised)
        return channel * self._power(position_m, ap).sqrt()[:, None, None]

    def waves(self, paths: LocalPaths, offset_hz: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The channel of each path, in two factors: see `Atlas.waves`."""
        return self._traced.waves(paths, offset_hz)

    def links(self, position_m: torch.Tensor, offset_hz: torch.Tensor) -> torch.Tensor:
        """Channels from every AP to `position_m` [K, 3], complex64 [K, A, F, antennas]; see `GivesLinks`."""
        links = self._traced.links(position_m, offset_hz)
        count, aps = links.shape[:2]
        ap = torch.arange(aps, device=links.device).repeat(count)
        power = self._power(position_m.repeat_interleave(aps, 0), ap).view(count, aps)
        return links * power.sqrt()[..., None, None]

    def beam_power(
        self, position_m: torch.Tensor, ap: torch.Tensor, beams: Beams, yaw_error_rad: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Power gain of every beam, float32 [N, K], and line of sight, bool [N]; see `GivesBeamPower`."""
        power, sight = self._traced.beam_power(position_m, ap, beams, yaw_error_rad)
        return power * self._power(position_m, ap)[:, None], sight

    def _power(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """By what the power of links to `ap` int64 [N] at `position_m` [N, 3] is corrected, float32 [N]."""
        if self._grid is None:
            return torch.ones(len(ap), device=position_m.device)
        return db_to_linear(self._traced.atlas.between(self._grid.mean[..., GAIN], position_m, ap))

    def _with(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self), **changed)
        return other


def _filled(known: Knowledge, other: Knowledge) -> Knowledge:
    """What is known, and of links that are not covered what the `other` says."""
    none = known.covered <= 0
    return Knowledge(
        covered=torch.where(none, other.covered, known.covered),
        values=torch.where(none[:, None], other.values, known.values),
        std=torch.where(none[:, None], other.std, known.std),
    )


def residual_twin(site: Site, world: str, device: torch.device) -> ResidualTwin:
    """The twin world `world` of a site, corrected, and filled in by the semantic twin.

    Raises:
        ConfigurationError: there is no such world.
    """
    return ResidualTwin(traced_twin(site, world, device), twin_of_environment(environment_features(site)))
