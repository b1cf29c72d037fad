"""Options: what is refused, and how the message helps."""

import dataclasses
import math
import re

import pytest

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.envs.core.configuration import parse_options
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS, CellConfig
from twin_envs.envs.csi_cell.csi_protocol import CsiProtocolEnv
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv, FeedbackIntervalVectorEnv
from twin_envs.envs.csi_cell.pilot_density import PilotDensityEnv

RANGES = {
    "num_ue": (1, 16),
    "episode_slots": (100, 100_000),
    "csi_uplink_share": (0.001, 1.0),
    "uplink_price": (0.0, 100.0),
    "dmrs_additional": (0, 3),
    "bler_target": (0.001, 0.5),
    "neighbour_load": (0.0, 1.0),
    "transmit_power_dbm": (-30.0, 60.0),
    "noise_figure_db": (0.0, 30.0),
    "ue_power_dbm": (-40.0, 40.0),
    "commissioning_places": (0, 10_000),
}
OF_THE_SITE = ("transmit_power_dbm", "noise_figure_db")
"""Options that may be None: the recipe of the site decides."""
INTEGERS = ("num_ue", "episode_slots", "dmrs_additional", "commissioning_places")
MISSPELT = {
    "world": ("realty", "reality"),
    "twin": ("twin-lo", "twin-los"),
    "population": ("walker", "walkers"),
    "codec": ("csinett", "csinet"),
    "estimator": ("lmse", "lmmse"),
    "prediction": ("weiner", "wiener"),
    "link": ("shanon", "shannon"),
    "channel_twin": ("tracd", "traced"),
    "mobility": ("route", "routes"),
    "sensors": ("gns", "gnss"),
    "csi_rs": ("periodical", "periodic"),
    "scheduler": ("proportional-fairness", "proportional-fair"),
}


def refused(field, value):
    """The message with which the environment refuses an option; it names field and value."""
    with pytest.raises(ConfigurationError) as error:
        FeedbackIntervalEnv(device="cpu", **{field: value})
    message = str(error.value)
    assert message.startswith(f"{field} must be ")
    assert repr(value) in message
    return message


def test_every_option_is_tried_below():
    tried = {*RANGES, *MISSPELT, "site", "codeword_bits", "pilot_density", "frequency_tracking"}
    tried |= {"beyond_nr", "dmrs_type", "csi_rs_period_slots", "tdd_pattern"}
    assert tried == {field.name for field in dataclasses.fields(CellConfig)}


@pytest.mark.parametrize("field", RANGES)
def test_a_number_out_of_range_is_refused_with_the_range(field):
    low, high = RANGES[field]
    step = 1 if field in INTEGERS else 1e-6
    wrong = (low - step, high + step, low - 1, math.inf, math.nan, "7", True, [low])
    for value in wrong if field in OF_THE_SITE else (*wrong, None):
        assert f"from {low} to {high}" in refused(field, value)


@pytest.mark.parametrize("field", RANGES)
def test_the_ends_of_a_range_are_allowed(field):
    for value in RANGES[field]:
        assert getattr(CellConfig(**{field: value}), field) == value


@pytest.mark.parametrize("field", INTEGERS)
def test_a_fraction_is_no_integer(field):
    assert "an integer" in refused(field, 150.5)


@pytest.mark.parametrize("field", MISSPELT)
def test_an_unknown_name_is_refused_with_the_nearest(field):
    value, nearest = MISSPELT[field]
    message = refused(field, value)
    assert message.endswith(f"did you mean {nearest!r}?")
    assert "one of" in refused(field, 7)


def test_a_codeword_must_have_a_length_of_the_codec():
    message = refused("codeword_bits", 250)
    assert "one of 35, 56, 77, 119, 161, 245, 329" in message
    assert message.endswith("did you mean 245?")
    assert "did you mean 35" in refused("codeword_bits", 0)
    assert "one of 35, 56, 77, 119, 161, 245, 329" in refused("codeword_bits", 245.5)


def test_densities_are_few_and_those_that_nr_lacks_must_be_asked_for():
    assert "one of 1.0, 0.5, got" in refused("pilot_density", 0.25)
    with pytest.raises(ConfigurationError, match=r"one of 1.0, 0.5, 0.25, 0.125, 0.0625, got 0.3"):
        CellConfig(pilot_density=0.3, beyond_nr=True)
    assert CellConfig(pilot_density=0.0625, beyond_nr=True).pilot_density == 0.0625


@pytest.mark.parametrize("field", ["frequency_tracking", "beyond_nr"])
def test_what_holds_or_not_is_a_truth_value(field):
    assert "one of True, False" in refused(field, 1)


def test_dmrs_are_of_one_of_two_types():
    assert "one of 1, 2, got 3" in refused("dmrs_type", 3)


def test_csi_rs_come_with_a_period_of_nr_that_hits_slots_with_downlink():
    assert "one of 4, 5, 8, 10, 16, 20, 32, 40, 64, 80, 160, 320" in refused("csi_rs_period_slots", 50)
    message = "csi_rs_period_slots must be a multiple of the 5 slots of tdd_pattern 'DDDSU'.*, got 8"
    with pytest.raises(ConfigurationError, match=message):
        FeedbackIntervalEnv(device="cpu", csi_rs_period_slots=8)
    FeedbackIntervalEnv(device="cpu", csi_rs_period_slots=8, tdd_pattern="DDSU")


@pytest.mark.parametrize("pattern", ["", "D", "UUUU", "UD", "DSSU", "DDXU", "ddsu", "D" * 20 + "U", 7, None])
def test_a_tdd_pattern_has_downlink_then_uplink(pattern):
    assert "such as 'DDDSU'" in refused("tdd_pattern", pattern)


def test_an_uplink_without_a_block_for_any_report_is_refused_with_the_share_that_would_do():
    """A carrier of 51 blocks, an uplink slot in 20 slots, 100 slots: 255 blocks, of which a thousandth is none."""
    options = {"tdd_pattern": "D" * 19 + "U", "csi_rs_period_slots": 20, "episode_slots": 100, "device": "cpu"}
    with pytest.raises(ConfigurationError, match=r"csi_uplink_share must be 0.0039 or more .* got 0.001"):
        FeedbackIntervalEnv(csi_uplink_share=0.001, **options)
    FeedbackIntervalEnv(csi_uplink_share=0.004, **options)


@pytest.mark.parametrize("make", [PilotDensityEnv, CsiProtocolEnv])
def test_csi_rs_that_are_the_cells_cannot_be_decided_about_for_one_ue(make):
    with pytest.raises(ConfigurationError, match="csi_rs must be 'aperiodic' where the agent decides"):
        make(device="cpu", csi_rs="periodic")


def test_the_twin_is_never_reality():
    assert "one of 'twin', 'twin-los'" in refused("twin", "reality")


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("munch", "unknown site 'munch'; did you mean 'munich'?"),
        ("munich-mild", "site 'munich-mild' is not built yet; build it with `twin-envs site build munich-mild`"),
        ("", "unknown site ''"),
        ("no/such/folder", "there is no site folder 'no/such/folder'"),
    ],
)
def test_an_unknown_site_is_refused_with_the_nearest_or_the_command_that_builds_it(site, said):
    with pytest.raises(SiteError, match=re.escape(said)):
        FeedbackIntervalEnv(device="cpu", site=site)


@pytest.mark.parametrize("site", [7, None, ["munich"]])
def test_a_site_is_named_by_a_string(site):
    assert "a name or the path of a folder, as a text" in refused("site", site)


@pytest.mark.parametrize(
    ("option", "nearest"), [("num_ues", "num_ue"), ("uplink_periods", "uplink_p"), ("sites", "site")]
)
def test_an_unknown_option_is_refused_with_the_nearest_as_configuration_and_as_type_error(option, nearest):
    for make in (FeedbackIntervalEnv, FeedbackIntervalVectorEnv):
        for error in (ConfigurationError, TypeError):
            with pytest.raises(error, match=rf"no field '{option}'; did you mean '{nearest}") as caught:
                make(**{option: 1})
            assert f"got an unexpected keyword argument '{option}'" in str(caught.value)


@pytest.mark.parametrize("make", [FeedbackIntervalEnv, FeedbackIntervalVectorEnv])
def test_options_of_the_faces_are_checked_too(make):
    with pytest.raises(ConfigurationError, match=r"render_mode must be one of None, .*'rgb_array', got 'rgb'; did you"):
        make(render_mode="rgb")


@pytest.mark.parametrize("num_envs", [0, -1, 65_537, 2.5, "4", None])
def test_the_number_of_environments_has_a_range(num_envs):
    with pytest.raises(
        ConfigurationError, match=r"num_envs must be an integer from 1 to 65536|num_envs must be from 1"
    ):
        FeedbackIntervalVectorEnv(num_envs=num_envs)


def test_other_options_of_a_batch_are_checked():
    with pytest.raises(ConfigurationError, match=r"autoreset_mode must be one of .*did you mean 'SameStep'"):
        FeedbackIntervalVectorEnv(autoreset_mode="samestep")
    for wrong in (0, -2, 2.5, "5"):
        with pytest.raises(ConfigurationError, match=r"max_episode_steps must be (an integer )?from 1 to inf, got "):
            FeedbackIntervalVectorEnv(max_episode_steps=wrong)
    for limit in (None, -1, 5):
        FeedbackIntervalVectorEnv(max_episode_steps=limit, device="cpu")


def test_a_configuration_is_frozen_and_hashable():
    config = parse_options(CellConfig, {"num_ue": 4, "population": "walkers"})
    assert (config.num_ue, config.population, config.site) == (4, "walkers", "munich")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.num_ue = 5
    assert hash(config) == hash(parse_options(CellConfig, {"num_ue": 4, "population": "walkers"}))


def test_report_periods_are_those_of_nr_and_rise():
    assert REPORT_PERIODS_SLOTS == (4, 5, 8, 10, 16, 20, 40, 80, 160, 320)  # TS 38.331, CSI-ReportPeriodicityAndOffset
