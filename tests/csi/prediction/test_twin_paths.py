"""Prediction by paths: what a twin's Doppler is worth, and what happens where the twin has none."""

import pytest
import torch
from predicting import WAVELENGTH_M, Twin, follow, paths, setting

from twin_envs.csi.path_pursuit import BlockDictionary
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.similarity import squared_cosine

FASTEST_HZ = 10.0 / WAVELENGTH_M
LATE_S = 3 / 17.28e6  # three taps
TOWARDS, AWAY = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)


def worst(predictor, channel, slots=(0, 30, 47), ages=(3, 11, 20), **how):
    """The least similarity of prediction and channel at any of `ages`."""
    return min(float(squared_cosine(p, h).min()) for p, h, _ in follow(predictor, channel, slots, ages, **how))


@pytest.mark.parametrize(
    ("column", "delay_s"), [(0.5, 0.0), (0.25, LATE_S)], ids=["in another beam", "later in the same beam"]
)
@pytest.mark.parametrize("phases", [0.0, 1.7])
def test_paths_of_the_twin_are_followed_whatever_the_phases_of_reports(phases, column, delay_s):
    """One from in front, one from behind: they turn against each other by many radians."""
    channel = paths((2, 0.25, 0.0, FASTEST_HZ), (1, column, delay_s, -FASTEST_HZ), phases=phases)
    twin = Twin((TOWARDS, 0.25, 0.0, 4e-10), (AWAY, column, delay_s, 1e-10))
    assert worst(predictors.get("twin-paths")(setting(twin)), channel) > 0.985
    if not delay_s:
        assert worst(predictors.get("hold")(setting()), channel) < 0.8


def test_reports_tell_which_of_two_paths_it_is():
    """The twin has two paths where one is found, and the weaker one is real: one report is misled, four are not."""
    channel = paths((2, 0.25, 0.0, FASTEST_HZ), (1, 0.5, 0.0, -FASTEST_HZ))
    twin = Twin((TOWARDS, 0.25, 0.0, 4e-10), (TOWARDS, 0.5, 0.0, 0.7e-10), (AWAY, 0.5, 0.0, 0.3e-10))
    chosen = predictors.get("twin-paths")
    one, four = (worst(chosen(setting(twin)), channel, slots=slots, ages=(3, 6)) for slots in ((47,), (26, 33, 40, 47)))
    assert 1 - four < 0.5 * (1 - one)


def test_a_twin_without_a_path_is_no_worse_than_what_was_reported():
    channel = paths((2, 0.25, 0.0, 3.0), (1, 0.5, 0.0, -2.0))
    lost = predictors.get("twin-paths")(setting(Twin((TOWARDS, 0.25, 0.0, 0.0))))
    held = predictors.get("hold")(setting())
    slow = {"ages": (5, 20), "speed_m_s": (0.5, 0.0)}
    assert worst(lost, channel, **slow) > worst(held, channel, **slow) - 0.02


def test_what_is_expected_of_a_path_from_the_wrong_side_is_found_out():
    """A twin that has front and behind exchanged is believed less and less."""
    channel = paths((2, 0.25, 0.0, FASTEST_HZ), (1, 0.5, 0.0, -FASTEST_HZ))
    doubts = []
    for front, behind in ((TOWARDS, AWAY), (AWAY, TOWARDS)):
        chosen = predictors.get("twin-paths")(setting(Twin((front, 0.25, 0.0, 4e-10), (behind, 0.5, 0.0, 1e-10))))
        state = chosen.create(1, 1)
        list(follow(chosen, channel, tuple(range(0, 170, 17)), (), state))
        doubts.append(float(state.doubt[0, 0]))
    assert doubts[1] > 3 * doubts[0]


def test_a_dictionary_of_subbands_finds_the_paths_that_there_are():
    chosen = setting()
    dictionary = BlockDictionary(chosen.grid, chosen.device, chosen.subband_hz / chosen.grid.block_spacing_hz)
    h = paths((2, 0.25, 0.0, 0.0), (1, 0.75, LATE_S, 0.0))(0)
    index, gains = dictionary.pursue(h, 2)
    delay, row, column = dictionary.places(index)
    assert dictionary.period_taps == 6
    torch.testing.assert_close(delay, torch.tensor([[0.0, 3.0]]))
    torch.testing.assert_close(row, torch.zeros(1, 2))
    torch.testing.assert_close(column, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(dictionary.channels(index, gains[:, -1]), h, rtol=1e-3, atol=1e-8)
    torch.testing.assert_close(dictionary.fit(2 * h[:, None], index)[:, 0], 2 * gains[:, -1], rtol=0.02, atol=0)
