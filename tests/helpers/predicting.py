"""Reports of links whose channels are given, and what predictors make of them."""

import math

import torch

from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.knowledge import SensedState
from twin_envs.twin.protocol import ArrivingPaths

GRID = AngleDelayGrid()
SLOT_S, WAVELENGTH_M = 0.5e-3, 0.0857
SUBBAND_HZ = (torch.arange(6) - 2.5) * 8 * GRID.block_spacing_hz


class Twin:
    """A twin with the same paths to everywhere, each (arrival, column cycles, delay [s], power)."""

    def __init__(self, *paths):
        self.paths = paths

    def arriving_paths(self, position_m, ap):
        arrival, column, delay, power = zip(*self.paths, strict=True)
        of_all = [torch.tensor(values).expand(len(ap), -1) for values in (column, delay, power)]
        return ArrivingPaths(
            column_cycles=of_all[0],
            delay_s=of_all[1],
            power=of_all[2],
            row_cycles=torch.zeros_like(of_all[0]),
            distance_m=torch.full((len(ap),), 50.0),
            arrival=torch.tensor(arrival).expand(len(ap), -1, 3),
        )


def setting(twin=None):
    return Setting(
        grid=GRID,
        subband_hz=SUBBAND_HZ,
        wavelength_m=WAVELENGTH_M,
        slot_s=SLOT_S,
        twin=twin,
        device=torch.device("cpu"),
    )


def report(h, slots, speed_m_s=(10.0, 0.0), nmse=0.0):
    count = len(h)
    return Report(
        h=h,
        measured_slots=torch.full((count,), slots),
        nmse=torch.full((count,), nmse),
        sensed=SensedState(
            position_m=torch.zeros(count, 2),
            velocity_m_s=torch.tensor(speed_m_s).expand(count, 2),
            position_std_m=torch.full((count,), 0.01),
            velocity_std_m_s=torch.full((count,), 0.01),
        ),
        position_m=torch.zeros(count, 3),
        ap=torch.zeros(count, dtype=torch.int64),
    )


def follow(predictor, channel, slots, ages, state=None, **how):
    """Prediction and channel at each of `ages` after the last of the reports at `slots`, and the error expected."""
    h = channel(slots[-1])
    rows, ue = torch.arange(len(h)), torch.zeros(len(h), dtype=torch.int64)
    state = state or predictor.create(len(h), 1)
    for when in slots:
        predictor.learn(state, rows, ue, report(channel(when), when, **how))
    power = h.abs().square().mean((1, 2))
    reported = Predicted(h[:, :, None], torch.zeros(len(h), 1))
    for age in ages:
        told = predictor.predict(state, rows, torch.full_like(rows, slots[-1] + age), reported)
        yield told.h[:, :, 0], channel(slots[-1] + age), told.error[:, 0] / power


def wave(column_cycles, delay_s=0.0):
    """The channel of a path, complex64 [F, antennas]."""
    antenna = torch.arange(GRID.antennas) % GRID.columns
    phase = antenna * column_cycles - SUBBAND_HZ[:, None] * delay_s
    return torch.polar(torch.ones(()), 2 * math.pi * phase)


def paths(*each, phases=0.0):
    """The channel by time in slots of paths (amplitude, column cycles, delay [s], Doppler shift [Hz]); reports turn by
    `phases` in each slot besides."""

    def channel(slots):
        total = torch.zeros(6, GRID.antennas, dtype=torch.complex64)
        for amplitude, column, delay, doppler_hz in each:
            turn = torch.tensor(2 * math.pi * doppler_hz * slots * SLOT_S + phases * slots)
            total = total + amplitude * torch.polar(torch.ones(()), turn) * wave(column, delay)
        return total[None] * 1e-5

    return channel


def gaussian(lags_s, std_hz):
    return torch.exp(-0.5 * (2 * math.pi * std_hz * lags_s) ** 2)


def processes(count, size, times_s, std_hz, seed=0):
    """Independent normal processes of unit power with a normal Doppler spectrum, complex64 [count, times, size]."""
    generator = torch.Generator().manual_seed(seed)
    lags = torch.tensor(times_s, dtype=torch.float64)
    covariance = gaussian(lags[:, None] - lags, std_hz) + 1e-9 * torch.eye(len(lags), dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance).to(torch.complex64)
    white = torch.randn(count, size, len(times_s), generator=generator, dtype=torch.complex64)
    return (white @ factor.mT).mT
