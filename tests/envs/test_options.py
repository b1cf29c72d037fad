"""Every option of every environment: what is refused at construction, and how the message helps."""

import dataclasses
import math

import gymnasium
import pytest

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.registration import ENVIRONMENTS

WRONG = {
    "int": (-1, 10**9, 2.5, math.nan, "7", None, True, [1]),
    "float": (-1e9, 1e12, math.nan, math.inf, "1", None, True, [1.0]),
    "str": ("nonsense", "", 7, None, ["munich"]),
    "bool": ("yes", 1, None),
}


def make(name, **options):
    return gymnasium.make(f"twin_envs/{name}-v0", device="cpu", **options)


def options():
    for name in ENVIRONMENTS:
        for field in dataclasses.fields(gymnasium.make(f"twin_envs/{name}-v0", device="cpu").unwrapped.core.config):
            yield pytest.param(name, field, id=f"{name}-{field.name}")


OPTIONS = tuple(options())


@pytest.mark.parametrize(("name", "field"), OPTIONS)
def test_a_wrong_value_is_refused_with_field_and_value(name, field):
    for value in WRONG[field.type]:
        with pytest.raises((ConfigurationError, SiteError)) as error:
            make(name, **{field.name: value})
        assert field.name in str(error.value)
        assert repr(value) in str(error.value)


@pytest.mark.parametrize(("name", "field"), OPTIONS)
def test_a_misspelt_option_is_refused_with_the_nearest(name, field):
    with pytest.raises(ConfigurationError, match=rf"no field '{field.name}s'; did you mean '\w+'\?"):
        make(name, **{f"{field.name}s": field.default})


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_defaults_are_told_back(name):
    config = make(name).unwrapped.core.config
    assert make(name, **dataclasses.asdict(config)).unwrapped.core.config == config
