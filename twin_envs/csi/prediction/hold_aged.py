"""The channel stays as it was reported, but less is thought of it the older it grows."""

from __future__ import annotations

from twin_envs.csi.prediction.protocol import Setting
from twin_envs.csi.prediction.wiener import Wiener


def from_setting(setting: Setting) -> Wiener:
    """The predictor `hold-aged`: with one report and the same spectrum in all bins, none is turned or weighed anew."""
    return Wiener(setting, reports=1)
