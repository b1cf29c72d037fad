"""Prediction from reports and the speed, and the error that is told."""

import torch
from predicting import GRID, SLOT_S, SUBBAND_HZ, WAVELENGTH_M, follow, paths, processes, report, setting

from twin_envs.csi.prediction.bins import Bins
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.prediction.spectrum import CLARKE_STD
from twin_envs.csi.similarity import squared_cosine


def test_two_reports_of_a_slow_channel_say_how_it_goes_on():
    """Two paths that part slowly against the time between reports."""
    channel = paths((2, 0.25, 0.0, 2.0), (1, 0.5, 0.0, -2.0))
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


def test_a_report_counts_less_if_it_was_told_to_be_bad():
    """The first report is of something else; the second is right."""
    channel, other = paths((2, 0.25, 0.0, 0.0)), paths((2, 0.25, 0.0, 0.0), (2, 0.75, 2e-7, 0.0))
    row, lost = torch.arange(1), {}
    for nmse in (0.0, 0.9):
        chosen = predictors.get("wiener")(setting())
        state = chosen.create(1, 1)
        chosen.learn(state, row, torch.zeros_like(row), report(other(0), 0, (0.1, 0.0), nmse))
        ((predicted, h, _),) = follow(chosen, channel, (20,), (5,), state, speed_m_s=(0.1, 0.0))
        lost[nmse] = float((1 - squared_cosine(predicted, h)).mean())
    assert lost[0.9] < 0.7 * lost[0.0]


def test_bins_and_channels_are_each_others_inverse():
    bins, generator = Bins(GRID, SUBBAND_HZ), torch.Generator().manual_seed(0)
    h = torch.randn(3, 6, GRID.antennas, generator=generator, dtype=torch.complex64)
    x = bins.of(h)
    torch.testing.assert_close(bins.channels(x[:, :, None])[:, :, 0], h)
    torch.testing.assert_close(x.abs().square().sum((1, 2)), h.abs().square().sum((1, 2)))


def test_the_error_that_is_told_follows_what_reports_show():
    """A predictor that takes a channel to be slower than it is finds out; one that is right does not change."""
    slots, std_hz = tuple(range(0, 400, 20)), 10.0
    x = processes(30, 6 * GRID.antennas, [when * SLOT_S for when in slots], std_hz)
    bins = Bins(GRID, SUBBAND_HZ)
    h = bins.channels(x.flatten(0, 1).view(-1, 6, 1, GRID.antennas))[:, :, 0].view(30, len(slots), 6, -1) * 1e-5
    doubts = []
    for believed_hz in (std_hz, 2.0):
        chosen = predictors.get("hold-aged")(setting())
        state, speed_m_s = chosen.create(30, 1), believed_hz * WAVELENGTH_M / CLARKE_STD
        list(follow(chosen, lambda w: h[:, slots.index(w)], slots, (), state, speed_m_s=(speed_m_s, 0.0)))
        doubts.append(float(state.doubt.mean()))
    right, slower = doubts
    assert 0.5 < right < 2 < slower
