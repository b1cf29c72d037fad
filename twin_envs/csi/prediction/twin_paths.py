"""Prediction by paths: those that a report has go on with the Doppler shifts that the twin expects of them.

The Doppler spectrum of a path (`followed_paths`) is what the twin has in about its delay and its beam
(`expected_lines`). So several reports tell which of the twin's paths it is.
"""

from __future__ import annotations

import torch

from twin_envs.csi.prediction.expected_lines import LINES, ExpectedLines
from twin_envs.csi.prediction.followed_paths import FollowedPaths
from twin_envs.csi.prediction.protocol import Report, Setting
from twin_envs.csi.prediction.spectrum import Lines
from twin_envs.twin.protocol import ExpectsArrivals


class TwinPaths(FollowedPaths):
    """The predictor `twin-paths`.

    Args:
        setting: where it works.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, lines=LINES, asks=ExpectsArrivals)
        self._twins = ExpectedLines(setting, self._dictionary)

    def _expected(self, report: Report, index: torch.Tensor, power: torch.Tensor) -> tuple[Lines, torch.Tensor]:
        return self._twins(report, index, power)


def from_setting(setting: Setting) -> TwinPaths:
    """The predictor, wherever it works."""
    return TwinPaths(setting)
