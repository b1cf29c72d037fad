"""The Wiener filter with the Doppler shifts that the twin expects."""

from __future__ import annotations

from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.protocol import Setting
from twin_envs.csi.prediction.spectrum import FromTwin
from twin_envs.csi.prediction.wiener import Wiener
from twin_envs.twin.protocol import ExpectsArrivals


def from_setting(setting: Setting) -> Wiener:
    """The predictor `twin-wiener`: two reports, and the spectrum that the twin expects in each bin."""
    bins = Bins(setting.grid, setting.subband_hz)
    return Wiener(setting, bins, FromTwin(setting, bins), reports=2, asks=ExpectsArrivals)
