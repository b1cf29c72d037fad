"""Prediction: closed forms of the Wiener filter, and what a twin's Doppler is worth."""

import math

import pytest
import torch

from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.prediction.spectrum import Spectrum
from twin_envs.csi.prediction.wiener import Wiener
from twin_envs.csi.similarity import squared_cosine
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.twin.knowledge import SensedState
from twin_envs.twin.protocol import ArrivingPaths

CPU, GRID = torch.device("cpu"), AngleDelayGrid()
SLOT_S, WAVELENGTH_M = 0.5e-3, 0.0857
SUBBAND_HZ = (torch.arange(6) - 2.5) * 8 * GRID.block_spacing_hz
SHAPE = (6, GRID.antennas)


class OnePath:
    """A twin with one path to everywhere, whose direction at the UE is given."""

    def __init__(self, arrival, column_cycles=0.25, power=1e-9):
        self.arrival, self.column_cycles, self.power = torch.tensor(arrival), column_cycles, power

    def arriving_paths(self, position_m, ap):
        one = torch.ones(len(ap), 1)
        return ArrivingPaths(
            delay_s=0 * one,
            column_cycles=self.column_cycles * one,
            row_cycles=0 * one,
            power=self.power * one,
            distance_m=50 * one[:, 0],
            arrival=self.arrival.expand(len(ap), 1, 3),
        )


def setting(twin=None):
    return Setting(grid=GRID, subband_hz=SUBBAND_HZ, wavelength_m=WAVELENGTH_M, slot_s=SLOT_S, twin=twin, device=CPU)


def report(h, slots, speed_m_s=(10.0, 0.0), nmse=0.0, position_std_m=0.01, velocity_std_m_s=0.01):
    count = len(h)
    return Report(
        h=h,
        measured_slots=torch.full((count,), slots),
        nmse=torch.full((count,), nmse),
        sensed=SensedState(
            position_m=torch.zeros(count, 2),
            velocity_m_s=torch.tensor(speed_m_s).expand(count, 2),
            position_std_m=torch.full((count,), position_std_m),
            velocity_std_m_s=torch.full((count,), velocity_std_m_s),
        ),
        position_m=torch.zeros(count, 3),
        ap=torch.zeros(count, dtype=torch.int64),
    )


def follow(predictor, channel, slots, ages, **how):
    """Prediction and channel at each of `ages` after the last of the reports at `slots`, and the error expected."""
    h = channel(slots[-1])
    rows, ue = torch.arange(len(h)), torch.zeros(len(h), dtype=torch.int64)
    state = predictor.create(len(h), 1)
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


def two_paths(doppler_hz, other_hz, phases=None):
    """Two paths in beams of their own, one twice as strong; each report has a phase of its own if `phases` say so."""
    one, two = wave(0.25), wave(0.5)

    def channel(slots):
        turn, other = (
            torch.polar(torch.ones(()), torch.tensor(2 * math.pi * f * slots * SLOT_S)) for f in (doppler_hz, other_hz)
        )
        h = (2 * turn * one + other * two)[None] * 1e-5
        if phases is None:
            return h
        return h * torch.polar(torch.ones(()), torch.tensor(phases * slots))

    return channel


@pytest.mark.parametrize("phases", [None, 1.7])
def test_a_path_of_the_twin_is_followed_exactly_whatever_the_phases_of_reports(phases):
    """Both paths lie in beams that the twin knows; they turn against each other by many radians."""

    class TwoPaths(OnePath):
        def arriving_paths(self, position_m, ap):
            paths = [
                OnePath(a, c, p).arriving_paths(position_m, ap)
                for a, c, p in (((-1.0, 0.0, 0.0), 0.25, 4e-10), ((1.0, 0.0, 0.0), 0.5, 1e-10))
            ]
            values = {
                name: torch.cat([getattr(path, name) for path in paths], 1)
                for name in ("delay_s", "column_cycles", "row_cycles", "power", "arrival")
            }
            return ArrivingPaths(**values, distance_m=paths[0].distance_m)

    fastest_hz = 10.0 / WAVELENGTH_M
    channel = two_paths(fastest_hz, -fastest_hz, phases)
    for name in ("twin-doppler", "twin-wiener"):
        chosen = predictors.get(name)(setting(TwoPaths((1.0, 0.0, 0.0))))
        for predicted, h, _ in follow(chosen, channel, (0, 30, 47), (3, 11, 20)):
            assert squared_cosine(predicted, h).min() > 0.995
    held = predictors.get("hold")(setting())
    worst = min(
        float(squared_cosine(predicted, h).min()) for predicted, h, _ in follow(held, channel, (0, 30, 47), (3, 11, 20))
    )
    assert worst < 0.8


def test_two_reports_of_a_slow_channel_say_how_it_goes_on():
    """Without a twin: two paths that part slowly against the time between reports."""
    channel = two_paths(2.0, -2.0)
    chosen = {name: predictors.get(name)(setting()) for name in ("hold", "wiener")}
    lost = {
        name: [
            float((1 - squared_cosine(p, h)).mean())
            for p, h, _ in follow(predictor, channel, (0, 20), (5, 10, 20), speed_m_s=(0.5, 0.0))
        ]
        for name, predictor in chosen.items()
    }
    assert all(less < 0.25 * more for less, more in zip(lost["wiener"], lost["hold"], strict=True))
    assert lost["hold"] == sorted(lost["hold"])


def gaussian(lags_s, std_hz):
    return torch.exp(-0.5 * (2 * math.pi * std_hz * lags_s) ** 2)


class Known:
    """The same normal spectrum in all bins."""

    def __init__(self, std_hz):
        self.std_hz = std_hz

    def __call__(self, report):
        one = torch.ones(len(report.h), *SHAPE)
        return Spectrum(one, 0 * one, self.std_hz * one, one[:, :1, :1])


def processes(count, times_s, std_hz, seed=0):
    """Channels of N links at T times whose bins are independent normal processes, complex64 [N, T, F, antennas]."""
    generator = torch.Generator().manual_seed(seed)
    lags = torch.tensor(times_s, dtype=torch.float64)
    covariance = gaussian(lags[:, None] - lags, std_hz) + 1e-9 * torch.eye(len(lags), dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance).to(torch.complex64)
    white = torch.randn(count, *SHAPE, len(times_s), generator=generator, dtype=torch.complex64)
    bins = (white @ factor.mT).permute(3, 0, 1, 2)[..., None, :]  # [T, N, F, 1, A]
    known = Bins(GRID, SUBBAND_HZ)
    return torch.stack([known.channels(each)[:, :, 0] for each in bins], 1) * 1e-5


def test_errors_are_as_large_as_expected_and_grow_with_age():
    """Monte Carlo: links whose statistics are known. Bins of one power, so the error is that of the formula."""
    std_hz, slots, ages, noise = 8.0, (0, 13, 20), (0, 5, 10, 20, 40), 0.05
    times = [when * SLOT_S for when in slots] + [(slots[-1] + age) * SLOT_S for age in ages]
    h = processes(400, times, std_hz)
    generator = torch.Generator().manual_seed(1)
    power = h.abs().square().mean()
    noisy = h + (noise * power).sqrt() * torch.randn(h.shape, generator=generator, dtype=torch.complex64)
    chosen = Wiener(setting(), Bins(GRID, SUBBAND_HZ), Known(std_hz), reports=3)
    rows, ue = torch.arange(len(h)), torch.zeros(len(h), dtype=torch.int64)
    state = chosen.create(len(h), 1)
    for index, when in enumerate(slots):
        chosen.learn(state, rows, ue, report(noisy[:, index], when, nmse=noise))
    state.doubt[:] = 1.0  # what is expected before reports have spoken
    lag = torch.tensor(slots, dtype=torch.float64) * SLOT_S
    inverse = torch.linalg.inv(gaussian(lag[:, None] - lag, std_hz) + noise * torch.eye(3, dtype=torch.float64))
    before = 0.0
    for index, age in enumerate(ages):
        told = chosen.predict(
            state, rows, torch.full_like(rows, slots[-1] + age), Predicted(noisy[:, 2, :, None], torch.zeros(len(h), 1))
        )
        found = float((1 - squared_cosine(told.h[:, :, 0], h[:, 3 + index])).mean())
        expected = float((told.error[:, 0] / state.power[:, 0]).mean())
        to = gaussian(lag - (slots[-1] + age) * SLOT_S, std_hz)
        wiener = 1 - float(to @ inverse @ to)
        assert expected == pytest.approx(found, rel=0.25, abs=0.01), age
        assert found == pytest.approx(wiener, rel=0.25, abs=0.01), age
        assert found > before
        before = found


def test_more_reports_leave_a_smaller_error():
    std_hz, slots = 8.0, (0, 7, 20)
    h = processes(100, [when * SLOT_S for when in (*slots, 30)], std_hz)
    errors = []
    for reports in (1, 2, 3):
        chosen = Wiener(setting(), Bins(GRID, SUBBAND_HZ), Known(std_hz), reports=reports)
        predicted = list(follow(chosen, lambda when, h=h: h[:, (*slots, 30).index(when)], slots, (10,)))
        errors.append(float((1 - squared_cosine(*predicted[0][:2])).mean()))
    assert errors[2] < errors[1] < errors[0]


def test_the_error_that_is_told_follows_what_reports_show():
    """A predictor that takes a channel to be slower than it is finds out; one that is right does not change."""
    slots = tuple(range(0, 400, 20))
    h = processes(30, [when * SLOT_S for when in slots], 10.0)
    for believed_hz, larger in ((10.0, False), (2.0, True)):
        chosen = Wiener(setting(), Bins(GRID, SUBBAND_HZ), Known(believed_hz), reports=2)
        rows, ue = torch.arange(len(h)), torch.zeros(len(h), dtype=torch.int64)
        state = chosen.create(len(h), 1)
        for index, when in enumerate(slots):
            chosen.learn(state, rows, ue, report(h[:, index], when))
        assert (float(state.doubt.mean()) > 2) == larger
        assert larger or float(state.doubt.mean()) > 0.5


def test_a_twin_without_a_path_leaves_what_the_speed_says():
    h = two_paths(3.0, -2.0)
    lost = predictors.get("twin-wiener")(setting(OnePath((1.0, 0.0, 0.0), power=0.0)))
    plain = predictors.get("wiener")(setting())
    for (one, _, _), (other, _, _) in zip(
        follow(lost, h, (0, 20), (5, 20)), follow(plain, h, (0, 20), (5, 20)), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_uneven_times_count_as_they_are():
    """The spectrum of a bin and nothing else: a report of the same moment again changes nothing but the noise."""
    correlation = Spectrum(*(torch.full((1, 1, 1), value) for value in (0.75, 40.0, 3.0, 10.0))).correlation
    assert correlation(torch.zeros(1, 1, 1)) == 1
    lag = torch.tensor(4e-3)
    expected = 0.75 * torch.polar(gaussian(lag, 3.0), 2 * math.pi * 40 * lag) + 0.25 * gaussian(lag, 10.0)
    torch.testing.assert_close(correlation(lag)[0, 0, 0], expected)
    torch.testing.assert_close(correlation(-lag), correlation(lag).conj())
