"""Errors name the field, the value and what is allowed."""

import math

import numpy as np
import pytest

from twin_envs.base import errors
from twin_envs.base.errors import (
    ConfigurationError,
    UnknownOption,
    check_choice,
    check_keys,
    check_keywords,
    check_number,
)


@pytest.mark.parametrize("value", [0.0, 1, 0.5, np.float32(0.25), np.int64(1), True - 0.5])
def test_a_number_in_the_range_passes(value):
    check_number("share", value, 0, 1)


@pytest.mark.parametrize("value", [-1e-9, 1.0000001, 2, -5])
def test_a_number_outside_the_range_is_named_with_the_range(value):
    with pytest.raises(ConfigurationError) as error:
        check_number("share", value, 0, 1)
    assert str(error.value) == f"share must be from 0 to 1, got {value!r}"


@pytest.mark.parametrize("value", ["1", None, True, [1], 1j, math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_not_a_finite_number_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"share must be a number from") as error:
        check_number("share", value)
    assert repr(value) in str(error.value)


@pytest.mark.parametrize("value", [2.0, 2.5, np.float64(2), "2", True])
def test_an_integer_is_asked_for_by_name(value):
    with pytest.raises(ConfigurationError, match=r"num_ue must be an integer from 1 to 8, got"):
        check_number("num_ue", value, 1, 8, integer=True)
    for good in (1, 8, np.int32(3)):
        check_number("num_ue", good, 1, 8, integer=True)


def test_a_wrong_choice_is_named_with_the_nearest_one():
    check_choice("world", "twin", ["reality", "twin"])
    with pytest.raises(
        ConfigurationError, match=r"world must be one of 'reality', 'twin', got 'realty'; did you mean"
    ) as e:
        check_choice("world", "realty", ["reality", "twin"])
    assert str(e.value).endswith("'reality'?")


def test_a_choice_like_no_other_has_no_hint():
    with pytest.raises(ConfigurationError) as error:
        check_choice("world", "xyzzy", iter(["reality", "twin"]))
    assert str(error.value) == "world must be one of 'reality', 'twin', got 'xyzzy'"


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1]])
def test_a_choice_of_another_type_is_refused(value):
    check_choice("codeword", 1, (1, 2))
    with pytest.raises(ConfigurationError, match="codeword must be one of 1, 2, got"):
        check_choice("codeword", value, (1, 2))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (0.3, "; did you mean 0.25?"),
        (2, "; did you mean 1.0?"),
        (-1e308, ""),
        (10**400, ""),
        (math.inf, ""),
        ("0.5", ""),
        (True, ""),
    ],
)
def test_the_nearest_of_several_numbers_is_a_number(value, hint):
    with pytest.raises(ConfigurationError) as error:
        check_choice("pilot_density", value, (1.0, 0.5, 0.25))
    assert str(error.value) == f"pilot_density must be one of 1.0, 0.5, 0.25, got {value!r}{hint}"


def test_a_float_may_be_given_as_an_integer_and_not_the_other_way_round():
    check_choice("pilot_density", 1, (1.0, 0.5))
    with pytest.raises(ConfigurationError, match="did you mean 256"):
        check_choice("codeword_bits", 256.0, (128, 256))


def test_words_that_are_not_alike_are_no_hint():
    with pytest.raises(ConfigurationError) as error:
        check_keys("BeamConfig", ["codec"], ["world", "site", "blockers"])
    assert "did you mean" not in str(error.value)


def test_an_unknown_key_is_named_with_the_nearest_one():
    check_keys("recipe", {"carrier_hz": 1, "area_m": 2}, ["carrier_hz", "area_m"])
    check_keys("recipe", [], [])
    with pytest.raises(ConfigurationError) as error:
        check_keys("recipe", ["area_m", "carier_hz"], iter(["carrier_hz", "area_m"]))
    assert str(error.value) == (
        "recipe has no field 'carier_hz'; did you mean 'carrier_hz'? (fields: carrier_hz, area_m)"
    )
    with pytest.raises(ConfigurationError, match=r"no field 'xyzzy' \(fields: carrier_hz\)"):
        check_keys("recipe", ["xyzzy"], ["carrier_hz"])


def test_an_unknown_keyword_is_a_type_error_with_pythons_words_too():
    check_keywords("the environment", {"num_ue": 1}, ["num_ue"])
    with pytest.raises(UnknownOption) as error:
        check_keywords("the environment", {"num_ue": 1, "frameskip": 1}, iter(["num_ue"]))
    assert str(error.value) == (
        "the environment has no field 'frameskip' (fields: num_ue): got an unexpected keyword argument 'frameskip'"
    )
    assert issubclass(UnknownOption, ConfigurationError)
    assert issubclass(UnknownOption, TypeError)


def test_every_error_can_be_caught_as_one_of_ours_and_as_the_usual_kind():
    assert issubclass(errors.ConfigurationError, errors.TwinEnvsError)
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.SiteError, errors.TwinEnvsError)
    assert issubclass(errors.DependencyMissing, errors.TwinEnvsError)
    assert issubclass(errors.DependencyMissing, ImportError)


def test_an_integer_too_large_for_a_float_is_refused_like_any_other():
    with pytest.raises(ConfigurationError, match="num_ue must be from 1 to 8"):
        check_number("num_ue", 10**400, 1, 8, integer=True)
    with pytest.raises(ConfigurationError, match="share must be from 0 to 1"):
        check_number("share", 10**400, 0, 1)
