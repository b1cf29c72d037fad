"""What is refused as measurements, and parts of them."""

import dataclasses
import math

import pytest
import torch
from surveys import COHERENCE, GAIN, NAMES, square, survey

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.measurements import check_measurements, free_space_db


def changed(measured, link, field, value):
    values = measured.values.clone()
    values[link, field] = value
    return dataclasses.replace(measured, values=values)


def moved(measured, place, position_m):
    place_m = measured.place_m.clone()
    place_m[place] = torch.tensor(position_m)
    return dataclasses.replace(sensed(measured, position_m=place_m[measured.place]), place_m=place_m)


def sensed(measured, **fields):
    return dataclasses.replace(measured, sensed=dataclasses.replace(measured.sensed, **fields))


def with_one(values, value):
    values = values.clone()
    values[3] = value
    return values


def test_good_measurements_are_taken():
    check_measurements(survey(), square())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: m.at(torch.arange(60) < 7), "8 places or more, got 7: raise commissioning_places"),
        (lambda m: m.links(torch.arange(240) < 5), "8 links or more, got 5 at 60 places"),
        (lambda m: changed(m, 3, GAIN, math.nan), "gain_db of a measurement must be -250 to .* got nan"),
        (lambda m: changed(m, 3, COHERENCE, math.inf), "coherence_time_s of a measurement must be 0 to 10, got inf"),
        (lambda m: changed(m, 3, GAIN, 3.0), r"gain_db .* must be -250 to -\d+\.\d dB, .* got 3\.0"),
        (lambda m: changed(m, 3, GAIN, -300.0), r"gain_db .* must be -250 to .* got -300\.0"),
        (lambda m: moved(m, 3, [150.0, 50.0]), r"position_m .* in the area, \[0.0, 0.0\] to \[100.0, 100.0\] m, got"),
        (lambda m: moved(m, 3, [50.0, -90.0]), "position_m of a measurement must lie in the area"),
        (lambda m: moved(m, 3, [math.nan, 50.0]), "position_m of a measurement must be finite numbers"),
        (lambda m: moved(m, slice(None), [50.0, 50.0]), r"must span 5 m or more, got 60 places within 0\.00 m"),
        (lambda m: dataclasses.replace(m, ap=m.ap + 1), "ap of a measurement must be 0 to 3, got 4"),
        (lambda m: dataclasses.replace(m, place=m.place + 1), "place of a measurement must be 0 to 59, got 60"),
        (lambda m: dataclasses.replace(m, place=m.place - 1), "place of a measurement must be 0 to 59, got -1"),
        (
            lambda m: dataclasses.replace(m, std=with_one(m.std, -1.0)),
            r"std of a measurement must be 0 to 1e\+09, got -1",
        ),
    ],
)
def test_bad_measurements_are_refused_with_field_value_and_range(spoil, message):
    with pytest.raises(ConfigurationError, match=message):
        check_measurements(spoil(survey()), square())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("position_m", math.nan, "must be finite numbers, got"),
        ("position_m", 150.0, "must lie in the area, .* got"),
        ("velocity_m_s", math.nan, "must be -1000 to 1000, got nan"),
        ("velocity_m_s", 3e8, r"must be -1000 to 1000, got 3e\+08"),
        ("velocity_std_m_s", -0.1, "must be 0 to 1000, got -0.1"),
        ("position_std_m", -2.0, "must be 0 to 1000, got -2"),
        ("position_std_m", math.nan, "must be 0 to 1000, got nan"),
    ],
)
def test_what_was_sensed_is_looked_at_too(field, value, message):
    measured = survey()
    wrong = with_one(vars(measured.sensed)[field], value)
    with pytest.raises(ConfigurationError, match=f"{field} of a measurement {message}"):
        check_measurements(sensed(measured, **{field: wrong}), square())


@pytest.mark.parametrize("field", range(len(NAMES)), ids=NAMES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1e30, 1e30])
def test_no_field_takes_what_no_channel_can_have(field, value):
    message = f"{NAMES[field]} of a measurement must be .* to .*, got"
    with pytest.raises(ConfigurationError, match=message):
        check_measurements(changed(survey(), 3, field, value), square())


@pytest.mark.parametrize("field", ["place", "values", "std", "place_m", *vars(survey().sensed)])
def test_tensors_that_do_not_belong_together_are_refused(field):
    measured = survey()
    if field in vars(measured.sensed):
        wrong = sensed(measured, **{field: vars(measured.sensed)[field][:-1]})
    else:
        short = measured.place_m[:, :1] if field == "place_m" else vars(measured)[field][:-1]
        wrong = dataclasses.replace(measured, **{field: short})
    with pytest.raises(ConfigurationError, match=rf"{field} of 240 measured links must have the shape \(.*, got \("):
        check_measurements(wrong, square())


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
