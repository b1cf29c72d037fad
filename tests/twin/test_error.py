"""What a network learns of its twin's error from measurements."""

import dataclasses
import math

import pytest
import torch

from twin_envs.twin.error import TwinError, learn_error
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge, SensedState

NAMES = list(KNOWLEDGE_FIELDS)
BIAS_DB, ERROR_DB, SLACK_DB = 4.0, 3.0, 1.5


def draw(count, seed, error_db=ERROR_DB, speed_m_s=2.0):
    """What a twin says of links, what sensing says of them, and what is true of them.

    The gain is too low by 4 dB, and wrong by 3 dB beside what the position makes of it; the Doppler spread is wrong by
    1 Hz for each 1 m/s; the coherence time is too long by a quarter; azimuths lie round the end of the circle.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal():
        return torch.randn(count, generator=generator)

    values, std, truth = (torch.zeros(count, len(NAMES)) for _ in range(3))
    column = {name: index for index, name in enumerate(NAMES)}
    gain, doppler, azimuth = column["gain_db"], column["doppler_spread_hz"], column["departure_azimuth_rad"]
    values[:, gain] = -90 + 10 * normal()
    std[:, gain] = SLACK_DB
    truth[:, gain] = values[:, gain] + BIAS_DB + SLACK_DB * normal() + error_db * normal()
    values[:, doppler] = 50.0
    truth[:, doppler] = 50.0 + speed_m_s * normal()
    values[:, azimuth] = math.pi - 0.01
    truth[:, azimuth] = torch.remainder(values[:, azimuth] + 0.1 * normal() + math.pi, 2 * math.pi) - math.pi
    values[:, column["coherence_time_s"]] = 0.5 + torch.rand(count, generator=generator)
    truth[:, column["coherence_time_s"]] = 0.75 * values[:, column["coherence_time_s"]]
    said = Knowledge(covered=torch.ones(count), values=values, std=std)
    sensed = SensedState(
        position_m=torch.zeros(count, 2),
        velocity_m_s=torch.tensor([speed_m_s, 0.0]).expand(count, 2),
        position_std_m=torch.zeros(count),
        velocity_std_m_s=torch.zeros(count),
    )
    return said, sensed, truth


def within(corrected, truth, field, count):
    error = truth[:, NAMES.index(field)] - corrected[field]
    if "azimuth" in field:
        error = torch.remainder(error + math.pi, 2 * math.pi) - math.pi
    return (error.abs() <= count * corrected.uncertainty(field)).float().mean().item()


@pytest.mark.parametrize("field", ["gain_db", "doppler_spread_hz", "departure_azimuth_rad"])
def test_what_was_learnt_holds_on_other_links(field):
    error = learn_error(*draw(2000, 0))
    for speed_m_s in (2.0, 10.0):
        said, sensed, truth = draw(20_000, 1, speed_m_s=speed_m_s)
        corrected = error.correct(said, sensed)
        assert within(corrected, truth, field, 1) == pytest.approx(0.683, abs=0.04)
        assert within(corrected, truth, field, 2) == pytest.approx(0.954, abs=0.02)
    assert within(said, truth, field, 1) < 0.3


def test_a_bias_is_taken_off():
    error = learn_error(*draw(2000, 0))
    said, sensed, truth = draw(20_000, 1)
    corrected = error.correct(said, sensed)
    column = NAMES.index("gain_db")
    assert (truth[:, column] - corrected["gain_db"]).mean().abs() < 0.2
    assert corrected.uncertainty("gain_db").mean().item() == pytest.approx(math.hypot(SLACK_DB, ERROR_DB), rel=0.06)
    # A coherence time that is always too long by the same share is known exactly once that is known.
    column = NAMES.index("coherence_time_s")
    torch.testing.assert_close(corrected["coherence_time_s"], truth[:, column], rtol=1e-4, atol=1e-5)
    assert corrected.uncertainty("coherence_time_s").max() < 1e-4


def test_what_the_twin_says_of_its_uncertainty_is_not_counted_twice():
    """Where the position explains all of the error, nothing is added."""
    error = learn_error(*draw(4000, 0, error_db=0.0))
    assert error.std[:, NAMES.index("gain_db")].max() < 0.5
    assert (error.bias[:, NAMES.index("gain_db")] - BIAS_DB).abs().max() < 0.3


def test_strong_links_are_known_better_if_the_twin_is_better_there():
    said, sensed, truth = draw(4000, 0)
    weak = said["gain_db"] < said["gain_db"].median()
    column = NAMES.index("gain_db")
    truth[weak, column] += 8 * torch.randn(int(weak.sum()), generator=torch.Generator().manual_seed(5))
    std_db = learn_error(said, sensed, truth).correct(said, sensed).uncertainty("gain_db")
    assert std_db[weak].mean() > 2 * std_db[~weak].mean()


def test_values_stay_in_their_range():
    said, sensed, truth = draw(200, 0)
    column = NAMES.index("delay_spread_s")
    truth[:, column] = -1e-7  # measured as nothing, with noise
    truth[:, NAMES.index("los_probability")] = 2.0
    corrected = learn_error(said, sensed, truth).correct(said, sensed)
    assert (corrected["delay_spread_s"] >= 0).all()
    assert (corrected["los_probability"] <= 1).all()
    assert (corrected["departure_azimuth_rad"].abs() <= math.pi).all()


@pytest.mark.parametrize("links", [0, 1, 5, 30])
def test_few_measurements_teach_little_and_break_nothing(links):
    said, sensed, truth = draw(200, 0)
    said = dataclasses.replace(said, covered=(torch.arange(200) < links).float())
    error = learn_error(said, sensed, truth)
    assert len(error.std) == len(error.bias) == len(error.edge_db) + 1
    corrected = error.correct(said, sensed)
    assert corrected.values.isfinite().all()
    assert corrected.std.isfinite().all()
    assert (corrected.std >= said.std).all()
    if not links:
        torch.testing.assert_close(corrected.values, said.values, rtol=0, atol=1e-5)


def test_a_twin_that_says_the_same_gain_of_all_links_learns_its_error():
    said, sensed, truth = draw(200, 0)
    said.values[:, NAMES.index("gain_db")] = -80.0
    corrected = learn_error(said, sensed, truth).correct(said, sensed)
    assert within(corrected, truth, "gain_db", 1) == pytest.approx(0.683, abs=0.02)


def test_links_that_the_twin_does_not_cover_tell_nothing():
    said, sensed, truth = draw(400, 0)
    spoilt = torch.arange(400) % 2 == 0
    without = learn_error(dataclasses.replace(said, covered=(~spoilt).float()), sensed, truth)
    truth[spoilt] = math.nan
    again = learn_error(dataclasses.replace(said, covered=(~spoilt).float()), sensed, truth)
    assert isinstance(again, TwinError)
    torch.testing.assert_close(without.std, again.std)
