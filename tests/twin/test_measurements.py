"""What is refused as measurements, and parts of them."""

import dataclasses
import math

import pytest
import torch
from surveys import COHERENCE, GAIN, square, survey

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.measurements import check_measurements, free_space_db


def changed(measured, link, field, value):
    values = measured.values.clone()
    values[link, field] = value
    return dataclasses.replace(measured, values=values)


def moved(measured, place, position_m):
    place_m = measured.place_m.clone()
    place_m[place] = torch.tensor(position_m)
    return dataclasses.replace(measured, place_m=place_m)


def test_good_measurements_are_taken():
    check_measurements(survey(), square())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: m.at(torch.arange(60) < 7), "8 places or more, got 7: raise commissioning_places"),
        (lambda m: m.links(torch.arange(240) < 5), "8 links or more, got 5 at 60 places"),
        (lambda m: changed(m, 3, GAIN, math.nan), "gain_db of a measurement must be a finite number, got nan"),
        (lambda m: changed(m, 3, COHERENCE, math.inf), "coherence_time_s .* must be a finite number, got inf"),
        (lambda m: changed(m, 3, GAIN, 3.0), r"gain_db .* must be -250 to -\d+\.\d dB, .* got 3\.0"),
        (lambda m: changed(m, 3, GAIN, -300.0), r"gain_db .* must be -250 to .* got -300\.0"),
        (lambda m: moved(m, 3, [150.0, 50.0]), r"position_m .* in the area, \[0.0, 0.0\] to \[100.0, 100.0\] m, got"),
        (lambda m: moved(m, 3, [50.0, -90.0]), "position_m of a measurement must lie in the area"),
        (lambda m: moved(m, 3, [math.nan, 50.0]), "position_m of a measurement must be finite numbers"),
        (lambda m: moved(m, slice(None), [50.0, 50.0]), r"must span 5 m or more, got 60 places within 0\.00 m"),
        (lambda m: dataclasses.replace(m, ap=m.ap + 1), "ap of a measurement must be 0 to 3, got 4"),
    ],
)
def test_bad_measurements_are_refused_with_field_value_and_range(spoil, message):
    with pytest.raises(ConfigurationError, match=message):
        check_measurements(spoil(survey()), square())


def test_a_place_deep_inside_walls_is_refused_and_one_beside_them_is_not():
    geometry = square()
    cell_of = geometry.cell_of.clone()
    house = torch.zeros_like(cell_of, dtype=torch.bool)
    house[10:30, 10:30] = True  # 20 m to 58 m
    kept = (~house).flatten()
    cell_of[house], cell_of[~house] = -1, torch.arange(int(kept.sum()))
    built = dataclasses.replace(geometry, cell_of=cell_of, point_m=geometry.point_m[kept])
    measured = survey()
    inside = ((measured.place_m > 18) & (measured.place_m < 60)).all(-1)
    outside = moved(measured, inside, [5.0, 5.0])
    check_measurements(moved(outside, 3, [24.0, 40.0]), built)
    check_measurements(moved(outside, 3, [-9.0, -9.0]), built)  # off the area, not in walls
    message = (
        r"position_m of a measurement must be within 12 m of where UEs can be, got \[39.0, 39.0\], 2\d.\d m inside"
    )
    with pytest.raises(ConfigurationError, match=message):
        check_measurements(moved(outside, 3, [39.0, 39.0]), built)


def test_free_space():
    # 100 m at 3.5 GHz: 20 log10(4 pi 100 / 0.08565) dB.
    assert float(free_space_db(3.5e9, torch.tensor([100.0]))) == pytest.approx(-83.33, abs=0.01)


def test_measurements_at_some_places_are_those_of_their_links():
    measured = survey(places=10)
    some = measured.at(torch.arange(10) % 2 == 1)
    assert len(some.place_m) == 5
    assert len(some.ap) == 20
    assert some.resource_elements == measured.resource_elements // 2
    torch.testing.assert_close(some.place_m[some.place], some.sensed.position_m)
    assert some.heard(4).all()


def test_what_is_heard_where():
    measured = survey(places=10)
    measured = measured.links((measured.place != 4) & (measured.ap != 2))
    heard = measured.heard(4)
    assert not heard[4].any()
    assert not heard[:, 2].any()
    assert heard.sum() == 9 * 3
