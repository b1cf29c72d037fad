"""Prediction by paths, with a network that weighs what a path's Doppler shift may be by what reports have shown.

`twin-net` begins with what the twin expects of each path (`expected_lines`), `paths-net` with the sensed speed alone;
both with narrow lines all over the range of shifts besides (`candidates`). The network (`network`) then says which of
these it is. It is asked twice: after the earlier reports, so that the new one is turned to the right phase, and after
all of them.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from twin_envs.base.settings import lasting
from twin_envs.csi.prediction.expected_lines import LINES, ExpectedLines
from twin_envs.csi.prediction.followed_paths import FollowedPaths, Heard, Left
from twin_envs.csi.prediction.net.candidates import UNFORESEEN, of_speed, of_twin
from twin_envs.csi.prediction.net.network import LinesNetwork
from twin_envs.csi.prediction.net.weights import STORED
from twin_envs.csi.prediction.process import Process
from twin_envs.csi.prediction.protocol import Report, Setting
from twin_envs.csi.prediction.spectrum import Lines, sensed_speed
from twin_envs.twin.protocol import ExpectsArrivals

_FIRST_DOUBT = 1.2
"""Where lines are told apart, more is known than is true; chosen in the worlds that the network is scored in."""


class WeighedPaths(FollowedPaths):
    """What `twin-net` and `paths-net` share.

    Args:
        setting: where it works.
        network: the network.
        lines: of the Doppler spectrum of a path.
        asks: capability of a channel twin that it needs.
    """

    def __init__(self, setting: Setting, network: LinesNetwork, *, lines: int, asks: Any = None) -> None:
        super().__init__(setting, lines=lines, asks=asks, doubt=_FIRST_DOUBT)
        self.network = network

    def _borne_out(self, lines: Lines, heard: Heard) -> Lines:
        refined: Lines = self.network(lines, heard)
        return refined

    def _losses(self, process: Process, index: torch.Tensor, left: torch.Tensor, spectrum: Left) -> torch.Tensor:
        """What is lost at each of `AGES_SLOTS`: narrow lines may meet again, but nobody counts on that."""
        return super()._losses(process, index, left, spectrum).cummax(-1).values

    def _largest_hz(self, report: Report) -> torch.Tensor:
        return sensed_speed(report.sensed) / self._setting.wavelength_m


class TwinNet(WeighedPaths):
    """The predictor `twin-net`.

    Args:
        setting: where it works; the twin must have `ExpectsArrivals`.
        network: the network.
    """

    def __init__(self, setting: Setting, network: LinesNetwork) -> None:
        super().__init__(setting, network, lines=LINES + UNFORESEEN, asks=ExpectsArrivals)
        self._twins = ExpectedLines(setting, self._dictionary)

    def _expected(self, report: Report, index: torch.Tensor, power: torch.Tensor) -> tuple[Lines, torch.Tensor]:
        lines, whole_hz = self._twins(report, index, power)
        return of_twin(lines, self._largest_hz(report)), whole_hz


class PathsNet(WeighedPaths):
    """The predictor `paths-net`.

    Args:
        setting: where it works.
        network: the network.
    """

    def __init__(self, setting: Setting, network: LinesNetwork) -> None:
        super().__init__(setting, network, lines=2 + UNFORESEEN)

    def _expected(self, report: Report, index: torch.Tensor, power: torch.Tensor) -> tuple[Lines, torch.Tensor]:
        largest_hz = self._largest_hz(report)
        return of_speed(index.shape[1], largest_hz), torch.zeros_like(largest_hz)


def with_twin(setting: Setting) -> TwinNet:
    """The predictor `twin-net`, wherever it works."""
    return TwinNet(setting, _on(setting.device))


def without_twin(setting: Setting) -> PathsNet:
    """The predictor `paths-net`, wherever it works."""
    return PathsNet(setting, _on(setting.device))


@lasting()
def _on(device: torch.device) -> LinesNetwork:
    return copy.deepcopy(STORED.packaged).to(device)
