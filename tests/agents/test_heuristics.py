import numpy as np
import pytest

from agents.environments import make_envs
from agents.heuristics import DopplerRule
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.observation import CSI_LAYOUT
from twin_envs.errors import ConfigurationError


@pytest.fixture(scope="module")
def envs():
    return make_envs("FeedbackInterval", 2, num_ue=2, episode_slots=200)


def observations(speed_m_s):
    """Observations that differ in nothing but the speed."""
    observation = np.full((len(speed_m_s), len(CSI_LAYOUT.fields)), 0.5, np.float32)
    observation[:, CSI_LAYOUT.index("speed")] = np.array(speed_m_s) / 20.0
    return observation


def periods(rule, speed_m_s):
    return np.array(REPORT_PERIODS_SLOTS)[rule.predict(observations(speed_m_s))[0]]


def test_period_is_the_largest_within_the_coherence_time(envs):
    # Clarke: 0.423 / Doppler. At 3.5 GHz the wavelength is 85.65 mm, so at 1 m/s the largest Doppler is 11.67 Hz, the
    # coherence time 36.2 ms: 72.5 slots of 0.5 ms, and 40 is the largest period within it. At 10 m/s it is 7.25 slots.
    rule = DopplerRule(1.0)
    rule.attach(envs)
    assert periods(rule, [1.0, 10.0]).tolist() == [40, 5]
    rule = DopplerRule(2.0)
    rule.attach(envs)
    assert periods(rule, [1.0, 10.0]).tolist() == [80, 10]


def test_period_never_grows_with_speed_and_uses_every_period(envs):
    rule = DopplerRule(1.0)
    rule.attach(envs)
    chosen = periods(rule, np.geomspace(0.05, 20.0, 500))
    assert (np.diff(chosen) <= 0).all()
    assert set(chosen) == set(REPORT_PERIODS_SLOTS)


def test_still_ues_have_the_longest_period_and_fast_ones_the_shortest(envs):
    rule = DopplerRule(0.1)
    rule.attach(envs)
    assert periods(rule, [0.0, 20.0]).tolist() == [320, 4]


def test_only_the_product_of_constant_and_coherence_time_counts(envs):
    slow, fast = DopplerRule(3.0), DopplerRule(6.0)
    slow.attach(envs)
    fast.attach(envs)
    speed = np.geomspace(0.1, 9.9, 40)
    assert np.array_equal(periods(slow, speed), periods(fast, 2 * speed))


@pytest.mark.parametrize("constant", [0.0, -1.0, float("nan"), 1e7])
def test_constant_out_of_range_is_refused(constant):
    with pytest.raises(ConfigurationError, match="constant must be"):
        DopplerRule(constant)
