"""Every option of every environment: what is refused at construction, and how the message helps."""

import dataclasses
import json
import math
from pkgutil import resolve_name

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from ids import ENVIRONMENTS

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.envs.registry import specification

WRONG = {
    "int": (-1, 10**9, 2.5, math.nan, "7", None, True, [1]),
    "float": (-1e9, 1e12, math.nan, math.inf, "1", None, True, [1.0]),
    "str": ("nonsense", "", 7, None, ["munich"]),
    "str | None": ("nonsense", "", 7, ["munich"]),
    "bool": ("yes", 1, None),
    "int | None": (-1, 10**9, 2.5, math.nan, "7", True, [1]),
    "float | None": (-1e9, 1e12, math.nan, math.inf, "1", True, [1.0]),
}


def make(name, **options):
    return gymnasium.make(f"twin_envs/{name}-v1", device="cpu", **options)


FIELDS = {name: dataclasses.fields(resolve_name(specification(name).task).options) for name in ENVIRONMENTS}
OPTIONS = [pytest.param(name, field, id=f"{name}-{field.name}") for name, fields in FIELDS.items() for field in fields]


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
    assert dataclasses.fields(config) == FIELDS[name]
    assert make(name, **dataclasses.asdict(config)).unwrapped.core.config == config


NUMPY = {"int": np.int64, "float": np.float64, "str": np.str_, "bool": np.bool_}
ONES_OWN = {"transmit_power_dbm": 31.0, "noise_figure_db": 8.0, "codeword_bits": 161, "learnt_twins": "traced"}
"""Values of the options that are None by default."""


WHOLE = (np.int32, np.uint32, np.float32, float)
"""Kinds of whole numbers; environments take turns with them."""


@pytest.mark.parametrize(
    ("name", "whole"), [(name, WHOLE[turn % len(WHOLE)]) for turn, name in enumerate(ENVIRONMENTS)]
)
def test_numpys_values_and_whole_floats_are_taken_as_pythons(name, whole):
    own = {field.name: ONES_OWN[field.name] for field in FIELDS[name] if field.name in ONES_OWN}
    config = make(name, **own).unwrapped.core.config
    kinds = {**NUMPY, "str | None": np.str_, "int": whole, "int | None": whole, "float | None": np.float64}
    given = {field.name: kinds[field.type](getattr(config, field.name)) for field in dataclasses.fields(config)}
    env = make(name, **given)
    taken = env.unwrapped.core.config
    assert taken == config
    for field in dataclasses.fields(config):
        assert type(getattr(taken, field.name)).__name__ == field.type.removesuffix(" | None")
    again = EnvSpec.from_json(env.spec.to_json())
    assert gymnasium.make(again).unwrapped.core.config == config


def test_a_specification_has_plain_values_whatever_it_was_made_with():
    given = {"num_ue": np.int64(2), "neighbour_load": np.float32(0.5), "device": torch.device("cpu")}
    envs = gymnasium.make_vec(
        "twin_envs/FeedbackInterval-v1", num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP, **given
    )
    kept = json.loads(envs.spec.to_json())["kwargs"]
    assert kept["num_ue"] == 2
    assert kept["device"] == "cpu"
    again = gymnasium.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert again.unwrapped.core.config == envs.unwrapped.core.config
    assert gymnasium.spec("twin_envs/FeedbackInterval-v1").kwargs == {}


def test_a_number_of_environments_and_seeds_of_any_kind_are_taken():
    expected, _ = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=2, device="cpu").reset(seed=[3, 4])
    for kind in (int, float, np.int64, np.float64):
        envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=kind(2), device="cpu")
        assert type(envs.num_envs) is int
        for seed in (kind(3), [kind(3), kind(4)], np.array([3, 4])):
            assert np.array_equal(envs.reset(seed=seed)[0], expected)
    env = make("FeedbackInterval")
    assert np.array_equal(env.reset(seed=np.int64(3))[0], env.reset(seed=3)[0])
