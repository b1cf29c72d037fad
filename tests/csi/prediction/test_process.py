"""The Wiener filter of one process: closed forms."""

import math

import pytest
import torch
from predicting import SLOT_S, gaussian, processes

from twin_envs.csi.prediction.process import Process
from twin_envs.csi.prediction.spectrum import Clarke, Lines

STD_HZ, NOISE = 8.0, 0.05
SLOTS = (0, 13, 20)


def lines(share, mean_hz, std_hz, size=1):
    values = [torch.tensor(value).expand(size, -1)[None] for value in (share, mean_hz, std_hz)]
    return Lines(*values)


def reported(count=400, size=32, ages=(0, 5, 10, 20, 40)):
    """Processes at times after three noisy reports, the reports last first, and their times."""
    times = [when * SLOT_S for when in SLOTS] + [(SLOTS[-1] + age) * SLOT_S for age in ages]
    x = processes(count, size, times, STD_HZ)
    generator = torch.Generator().manual_seed(1)
    noise = NOISE**0.5 * torch.randn(x[:, :3].shape, generator=generator, dtype=torch.complex64)
    since_s = (torch.tensor(SLOTS[::-1]) - SLOTS[-1]) * SLOT_S
    return x[:, 3:], (x[:, :3] + noise).flip(1), since_s.expand(count, -1), torch.tensor(ages) * SLOT_S


def test_errors_are_those_of_the_closed_form_and_as_large_as_expected():
    """Monte Carlo. The filter takes each process's power from three reports, and loses up to a fifth by that."""
    truth, x, since_s, ages_s = reported()
    count, _, size = x.shape
    spectrum = lines([1.0], [0.0], [STD_HZ], size)
    process = Process(x, since_s, spectrum, torch.full(since_s.shape, NOISE))
    value, error = process.at(ages_s.expand(count, -1))
    lags = since_s[0].double()
    inverse = torch.linalg.inv(gaussian(lags[:, None] - lags, STD_HZ) + NOISE * torch.eye(3, dtype=torch.float64))
    for index, age_s in enumerate(ages_s.double()):
        to = gaussian(lags - age_s, STD_HZ)
        closed = 1 - float(to @ inverse @ to)
        found = float((value[:, index] - truth[:, index]).abs().square().mean())
        assert found == pytest.approx(closed, rel=0.2, abs=0.01)
        assert float(error[:, index].mean()) == pytest.approx(closed, rel=0.2, abs=0.01)


def test_each_report_has_its_own_noise():
    """An old report that is exact counts more than a new one that is not."""
    _, x, since_s, _ = reported()
    spectrum = lines([1.0], [0.0], [0.5], x.shape[2])

    def weights(*nmse):
        process = Process(x, since_s, spectrum, torch.tensor(nmse).expand(len(x), -1))
        return process.solved.abs().square().mean((0, 2))

    assert weights(1.0, 0.01, 0.01)[0] < 0.1 * weights(0.01, 0.01, 0.01)[0]


def test_more_reports_are_expected_to_leave_a_smaller_error():
    _, x, since_s, ages_s = reported(count=20)
    spectrum = lines([1.0], [0.0], [STD_HZ], x.shape[2])
    x = x / x.abs()  # of one power, whichever of them count
    errors = []
    for reports in (1, 2, 3):
        nmse = torch.full((len(x), reports), NOISE)
        _, error = Process(x[:, :reports], since_s[:, :reports], spectrum, nmse).at(ages_s.expand(len(x), -1))
        errors.append(error.mean((0, 2)))
    assert (errors[0] > errors[1]).all()
    assert (errors[1] > errors[2]).all()


def test_a_report_is_turned_to_the_phase_that_it_would_have():
    truth, x, since_s, _ = reported(count=20)
    process = Process(x, since_s, lines([1.0], [0.0], [STD_HZ], x.shape[2]), torch.full(since_s.shape, NOISE))
    phase = torch.polar(torch.ones(20), torch.linspace(-3, 3, 20))
    turned = process.in_phase(truth[:, 0] * phase[:, None])
    torch.testing.assert_close(turned[:, 0] * phase, torch.ones(20, dtype=torch.complex64), rtol=0, atol=0.15)


def test_reports_that_were_never_made_count_for_nothing():
    _, x, since_s, ages_s = reported(count=20)
    nmse, spectrum = torch.full(since_s.shape, NOISE), lines([1.0], [0.0], [STD_HZ], x.shape[2])
    one = Process(x[:, :1], since_s[:, :1], spectrum, nmse[:, :1]).at(ages_s.expand(20, -1))
    x[:, 1:], never_s = 0, since_s.clone()
    never_s[:, 1:] = -math.inf
    for alone, with_others in zip(one, Process(x, never_s, spectrum, nmse).at(ages_s.expand(20, -1)), strict=True):
        torch.testing.assert_close(alone, with_others, rtol=1e-3, atol=1e-3)


def test_correlations_are_fourier_transforms_of_spectra():
    correlation = lines([0.75, 0.25], [40.0, 0.0], [3.0, 10.0]).correlation
    assert correlation(torch.zeros(1, 1)) == 1
    lag_s = torch.tensor([[4e-3]])
    expected = 0.75 * torch.polar(gaussian(lag_s, 3.0), 2 * math.pi * 40 * lag_s) + 0.25 * gaussian(lag_s, 10.0)
    torch.testing.assert_close(correlation(lag_s), expected)
    torch.testing.assert_close(correlation(-lag_s), correlation(lag_s).conj())
    clarke = Clarke(torch.tensor([[10.0]]))
    torch.testing.assert_close(clarke.correlation(lag_s), gaussian(lag_s, 10.0))
    assert clarke.correlation(torch.ones(1, 1)) > 0.1
