"""The last report, each bin turned by the Doppler shift that the twin expects there."""

from __future__ import annotations

from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.protocol import Setting
from twin_envs.csi.prediction.spectrum import FromTwin
from twin_envs.csi.prediction.wiener import Wiener
from twin_envs.twin.protocol import ExpectsArrivals


def from_setting(setting: Setting) -> Wiener:
    """The predictor `twin-doppler`: with one report the Wiener filter does nothing but turn and weigh each bin."""
    bins = Bins(setting.grid, setting.subband_hz)
    return Wiener(setting, bins, FromTwin(setting, bins), reports=1, asks=ExpectsArrivals)
