"""The channel stays as it was reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.state import TensorState
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting


@dataclass(kw_only=True)
class _Nothing(TensorState):
    """What there is to remember."""


class Hold(Constant):
    """The predictor `hold`."""

    asks: Any = None
    predicts = False

    def create(self, num_envs: int, num_ue: int) -> TensorState:
        """See `Predictor.create`."""
        return _Nothing()

    def learn(self, state: Any, rows: torch.Tensor, ue: torch.Tensor, report: Report) -> None:
        """Nothing is learnt."""

    def predict(self, state: Any, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        """What was reported, whatever its age, with the codec's error alone."""
        return reported


def from_setting(setting: Setting) -> Hold:
    """The predictor, wherever it works."""
    return Hold()
